"""Names of the graph's types, so that areas can point at each other without importing each other."""

from typing import TYPE_CHECKING, Annotated

from strawberry import lazy

if TYPE_CHECKING:
    from schema.alias import Alias, AliasRevision
    from schema.artifact import Artifact, Upload
    from schema.automation import AutomationFiring, AutomationRule
    from schema.dataset import Dataset, DatasetProfile, DatasetSchema, DatasetVersion
    from schema.deployment import Deployment, DeploymentChange, DeploymentMetric, DeploymentReport, Environment
    from schema.experiment import Experiment
    from schema.model import Model
    from schema.organisation import Organisation, Principal, Project, Team
    from schema.policy import PromotionPolicy, PromotionPolicyRevision
    from schema.price import Price
    from schema.promotion import Slot, SlotRevision, Transition
    from schema.request import PromotionRequest, PromotionReview, VersionCheck
    from schema.run import Run
    from schema.runtime import Runtime
    from schema.signature import Signature
    from schema.version import Version
    from schema.webhook import Webhook, WebhookDelivery

AliasRef = Annotated["Alias", lazy("schema.alias")]
AliasRevisionRef = Annotated["AliasRevision", lazy("schema.alias")]
ArtifactRef = Annotated["Artifact", lazy("schema.artifact")]
UploadRef = Annotated["Upload", lazy("schema.artifact")]
AutomationFiringRef = Annotated["AutomationFiring", lazy("schema.automation")]
AutomationRuleRef = Annotated["AutomationRule", lazy("schema.automation")]
DatasetRef = Annotated["Dataset", lazy("schema.dataset")]
DatasetProfileRef = Annotated["DatasetProfile", lazy("schema.dataset")]
DatasetSchemaRef = Annotated["DatasetSchema", lazy("schema.dataset")]
DatasetVersionRef = Annotated["DatasetVersion", lazy("schema.dataset")]
DeploymentRef = Annotated["Deployment", lazy("schema.deployment")]
DeploymentChangeRef = Annotated["DeploymentChange", lazy("schema.deployment")]
DeploymentMetricRef = Annotated["DeploymentMetric", lazy("schema.deployment")]
DeploymentReportRef = Annotated["DeploymentReport", lazy("schema.deployment")]
EnvironmentRef = Annotated["Environment", lazy("schema.deployment")]
ExperimentRef = Annotated["Experiment", lazy("schema.experiment")]
ModelRef = Annotated["Model", lazy("schema.model")]
OrganisationRef = Annotated["Organisation", lazy("schema.organisation")]
PriceRef = Annotated["Price", lazy("schema.price")]
PrincipalRef = Annotated["Principal", lazy("schema.organisation")]
PromotionPolicyRef = Annotated["PromotionPolicy", lazy("schema.policy")]
PromotionPolicyRevisionRef = Annotated["PromotionPolicyRevision", lazy("schema.policy")]
PromotionRequestRef = Annotated["PromotionRequest", lazy("schema.request")]
PromotionReviewRef = Annotated["PromotionReview", lazy("schema.request")]
VersionCheckRef = Annotated["VersionCheck", lazy("schema.request")]
ProjectRef = Annotated["Project", lazy("schema.organisation")]
TeamRef = Annotated["Team", lazy("schema.organisation")]
RunRef = Annotated["Run", lazy("schema.run")]
RuntimeRef = Annotated["Runtime", lazy("schema.runtime")]
SlotRef = Annotated["Slot", lazy("schema.promotion")]
SlotRevisionRef = Annotated["SlotRevision", lazy("schema.promotion")]
TransitionRef = Annotated["Transition", lazy("schema.promotion")]
SignatureRef = Annotated["Signature", lazy("schema.signature")]
VersionRef = Annotated["Version", lazy("schema.version")]
WebhookRef = Annotated["Webhook", lazy("schema.webhook")]
WebhookDeliveryRef = Annotated["WebhookDelivery", lazy("schema.webhook")]
