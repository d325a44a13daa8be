"""All tables by name: the data of the whole product at a glance. Each area has a file of its own in `db/rows/`."""

from db.rows.artifacts import Artifact, Blob, Upload
from db.rows.automation import AutomationFiring, AutomationRule
from db.rows.contents import Content, DatasetSchema, Runtime, Signature
from db.rows.datasets import Dataset, DatasetProfile, DatasetVersion
from db.rows.deployments import Deployment, DeploymentChange, DeploymentMetric, DeploymentReport, Environment
from db.rows.graph import LineageEdge, SearchDocument
from db.rows.models import Alias, AliasRevision, Model, ModelVersion
from db.rows.organizations import ApiToken, Organization, Principal, Project, RoleBinding, Team
from db.rows.promotion import (
    PromotionPolicy,
    PromotionPolicyRevision,
    PromotionRequest,
    PromotionReview,
    Slot,
    SlotRevision,
    Transition,
    VersionCheck,
)
from db.rows.runs import Experiment, MetricPoint, Price, ResourceSample, Run, RunMetric, VersionMetric
from db.rows.webhooks import Webhook, WebhookDelivery
from db.rows.work import Idempotency, ImportKey, ImportProgress, Job

__all__ = [
    "Alias",
    "AliasRevision",
    "ApiToken",
    "Artifact",
    "AutomationFiring",
    "AutomationRule",
    "Blob",
    "Content",
    "Dataset",
    "DatasetProfile",
    "DatasetSchema",
    "DatasetVersion",
    "Deployment",
    "DeploymentChange",
    "DeploymentMetric",
    "DeploymentReport",
    "Environment",
    "Experiment",
    "Idempotency",
    "ImportKey",
    "ImportProgress",
    "Job",
    "LineageEdge",
    "MetricPoint",
    "Model",
    "ModelVersion",
    "Organization",
    "Price",
    "Principal",
    "Project",
    "PromotionPolicy",
    "PromotionPolicyRevision",
    "PromotionRequest",
    "PromotionReview",
    "ResourceSample",
    "RoleBinding",
    "Run",
    "RunMetric",
    "Runtime",
    "SearchDocument",
    "Signature",
    "Slot",
    "SlotRevision",
    "Team",
    "Transition",
    "Upload",
    "VersionCheck",
    "VersionMetric",
    "Webhook",
    "WebhookDelivery",
]
