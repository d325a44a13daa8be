"""Names of the graph's types, so that areas can point at each other without importing each other."""

from typing import TYPE_CHECKING, Annotated

from strawberry import lazy

if TYPE_CHECKING:
    from schema.alias import Alias
    from schema.artifact import Artifact, Upload
    from schema.dataset import Dataset, DatasetProfile, DatasetSchema, DatasetVersion
    from schema.deployment import Deployment, DeploymentChange, DeploymentMetric, DeploymentReport, Environment
    from schema.experiment import Experiment
    from schema.model import Model
    from schema.organisation import Organisation, Principal, Project, Team
    from schema.price import Price
    from schema.run import Run
    from schema.runtime import Runtime
    from schema.signature import Signature
    from schema.version import Version

AliasRef = Annotated["Alias", lazy("schema.alias")]
ArtifactRef = Annotated["Artifact", lazy("schema.artifact")]
UploadRef = Annotated["Upload", lazy("schema.artifact")]
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
ProjectRef = Annotated["Project", lazy("schema.organisation")]
TeamRef = Annotated["Team", lazy("schema.organisation")]
RunRef = Annotated["Run", lazy("schema.run")]
RuntimeRef = Annotated["Runtime", lazy("schema.runtime")]
SignatureRef = Annotated["Signature", lazy("schema.signature")]
VersionRef = Annotated["Version", lazy("schema.version")]
