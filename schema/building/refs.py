"""Names of the graph's types, so that areas can point at each other without importing each other."""

from typing import TYPE_CHECKING, Annotated

from strawberry import lazy

if TYPE_CHECKING:
    from schema.types.catalog.alias import Alias, AliasRevision
    from schema.types.catalog.artifact import Artifact, Upload
    from schema.types.catalog.dataset import Dataset, DatasetProfile, DatasetSchema, DatasetVersion
    from schema.types.catalog.model import Model
    from schema.types.catalog.runtime import Runtime
    from schema.types.catalog.signature import Signature
    from schema.types.catalog.version import Version
    from schema.types.events.webhook import Webhook, WebhookDelivery
    from schema.types.promotion.automation_rule import AutomationFiring, AutomationRule
    from schema.types.promotion.policy import PromotionPolicy, PromotionPolicyRevision
    from schema.types.promotion.request import PromotionRequest, PromotionReview, VersionCheck
    from schema.types.promotion.slot import Slot, SlotRevision, Transition
    from schema.types.serving.deployment import (
        Deployment,
        DeploymentChange,
        DeploymentMetric,
        DeploymentReport,
        Environment,
    )
    from schema.types.tenants.organization import Organisation, Principal, Project, Team
    from schema.types.tracking.experiment import Experiment
    from schema.types.tracking.price import Price
    from schema.types.tracking.run import Run

AliasRef = Annotated["Alias", lazy("schema.types.catalog.alias")]
AliasRevisionRef = Annotated["AliasRevision", lazy("schema.types.catalog.alias")]
ArtifactRef = Annotated["Artifact", lazy("schema.types.catalog.artifact")]
UploadRef = Annotated["Upload", lazy("schema.types.catalog.artifact")]
AutomationFiringRef = Annotated["AutomationFiring", lazy("schema.types.promotion.automation_rule")]
AutomationRuleRef = Annotated["AutomationRule", lazy("schema.types.promotion.automation_rule")]
DatasetRef = Annotated["Dataset", lazy("schema.types.catalog.dataset")]
DatasetProfileRef = Annotated["DatasetProfile", lazy("schema.types.catalog.dataset")]
DatasetSchemaRef = Annotated["DatasetSchema", lazy("schema.types.catalog.dataset")]
DatasetVersionRef = Annotated["DatasetVersion", lazy("schema.types.catalog.dataset")]
DeploymentRef = Annotated["Deployment", lazy("schema.types.serving.deployment")]
DeploymentChangeRef = Annotated["DeploymentChange", lazy("schema.types.serving.deployment")]
DeploymentMetricRef = Annotated["DeploymentMetric", lazy("schema.types.serving.deployment")]
DeploymentReportRef = Annotated["DeploymentReport", lazy("schema.types.serving.deployment")]
EnvironmentRef = Annotated["Environment", lazy("schema.types.serving.deployment")]
ExperimentRef = Annotated["Experiment", lazy("schema.types.tracking.experiment")]
ModelRef = Annotated["Model", lazy("schema.types.catalog.model")]
OrganisationRef = Annotated["Organisation", lazy("schema.types.tenants.organization")]
PriceRef = Annotated["Price", lazy("schema.types.tracking.price")]
PrincipalRef = Annotated["Principal", lazy("schema.types.tenants.organization")]
PromotionPolicyRef = Annotated["PromotionPolicy", lazy("schema.types.promotion.policy")]
PromotionPolicyRevisionRef = Annotated["PromotionPolicyRevision", lazy("schema.types.promotion.policy")]
PromotionRequestRef = Annotated["PromotionRequest", lazy("schema.types.promotion.request")]
PromotionReviewRef = Annotated["PromotionReview", lazy("schema.types.promotion.request")]
VersionCheckRef = Annotated["VersionCheck", lazy("schema.types.promotion.request")]
ProjectRef = Annotated["Project", lazy("schema.types.tenants.organization")]
TeamRef = Annotated["Team", lazy("schema.types.tenants.organization")]
RunRef = Annotated["Run", lazy("schema.types.tracking.run")]
RuntimeRef = Annotated["Runtime", lazy("schema.types.catalog.runtime")]
SlotRef = Annotated["Slot", lazy("schema.types.promotion.slot")]
SlotRevisionRef = Annotated["SlotRevision", lazy("schema.types.promotion.slot")]
TransitionRef = Annotated["Transition", lazy("schema.types.promotion.slot")]
SignatureRef = Annotated["Signature", lazy("schema.types.catalog.signature")]
VersionRef = Annotated["Version", lazy("schema.types.catalog.version")]
WebhookRef = Annotated["Webhook", lazy("schema.types.events.webhook")]
WebhookDeliveryRef = Annotated["WebhookDelivery", lazy("schema.types.events.webhook")]
