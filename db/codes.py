"""The closed sets of values that columns hold. The text of a member is what tables, events and the graph show."""

from enum import StrEnum


class PrincipalKind(StrEnum):
    """Who can act."""

    USER = "USER"
    SERVICE_ACCOUNT = "SERVICE_ACCOUNT"


class Role(StrEnum):
    """What a principal may do in a scope, least first; each includes those before it."""

    READER = "READER"
    WRITER = "WRITER"
    MAINTAINER = "MAINTAINER"
    PROMOTER = "PROMOTER"
    ADMIN = "ADMIN"
    OWNER = "OWNER"


class ScopeKind(StrEnum):
    """Where a role holds."""

    ORGANIZATION = "ORGANIZATION"
    TEAM = "TEAM"
    PROJECT = "PROJECT"


class Stage(StrEnum):
    """Where a version stands in its life."""

    DEVELOPMENT = "DEVELOPMENT"
    STAGING = "STAGING"
    PRODUCTION = "PRODUCTION"
    ARCHIVED = "ARCHIVED"


class TransitionKind(StrEnum):
    """Why a version went from one stage to another."""

    PROMOTION = "PROMOTION"
    ROLLBACK = "ROLLBACK"
    DISPLACEMENT = "DISPLACEMENT"
    DEMOTION = "DEMOTION"
    ARCHIVAL = "ARCHIVAL"
    REACTIVATION = "REACTIVATION"


class AliasRevisionKind(StrEnum):
    """Why an alias came to point at something else."""

    MOVE = "MOVE"
    REMOVAL = "REMOVAL"
    ROLLBACK = "ROLLBACK"


class GateOutcome(StrEnum):
    """What a gate said."""

    PASSED = "PASSED"
    WAITING = "WAITING"
    FAILED = "FAILED"


class RequestState(StrEnum):
    """What became of a request for a promotion."""

    OPEN = "OPEN"
    COMPLETED = "COMPLETED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"
    STALE = "STALE"


class TriggerKind(StrEnum):
    """When an automation rule acts."""

    GATES_OPEN = "GATES_OPEN"
    METRIC_BREACH = "METRIC_BREACH"
    UNHEALTHY = "UNHEALTHY"


class FiringState(StrEnum):
    """What came of it when an automation rule acted."""

    DONE = "DONE"
    FAILED = "FAILED"


class ReviewDecision(StrEnum):
    """What a reviewer decided."""

    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


class RankingDirection(StrEnum):
    """Which values are better."""

    MAXIMIZE = "MAXIMIZE"
    MINIMIZE = "MINIMIZE"


class TaskType(StrEnum):
    """What a model does for those who use it."""

    CLASSIFICATION = "CLASSIFICATION"
    REGRESSION = "REGRESSION"
    CLUSTERING = "CLUSTERING"
    ANOMALY_DETECTION = "ANOMALY_DETECTION"
    FORECASTING = "FORECASTING"
    RANKING = "RANKING"
    RECOMMENDATION = "RECOMMENDATION"
    EMBEDDING = "EMBEDDING"
    OBJECT_DETECTION = "OBJECT_DETECTION"
    SEGMENTATION = "SEGMENTATION"
    SPEECH_RECOGNITION = "SPEECH_RECOGNITION"
    TRANSLATION = "TRANSLATION"
    SUMMARIZATION = "SUMMARIZATION"
    QUESTION_ANSWERING = "QUESTION_ANSWERING"
    GENERATION = "GENERATION"
    REINFORCEMENT_LEARNING = "REINFORCEMENT_LEARNING"
    OTHER = "OTHER"


class DataType(StrEnum):
    """What the values of a field or a column are."""

    BOOLEAN = "BOOLEAN"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    FLOAT16 = "FLOAT16"
    BFLOAT16 = "BFLOAT16"
    FLOAT32 = "FLOAT32"
    FLOAT64 = "FLOAT64"
    COMPLEX64 = "COMPLEX64"
    COMPLEX128 = "COMPLEX128"
    DECIMAL = "DECIMAL"
    STRING = "STRING"
    CATEGORY = "CATEGORY"
    BYTES = "BYTES"
    DATE = "DATE"
    TIME = "TIME"
    DATETIME = "DATETIME"
    DURATION = "DURATION"
    LIST = "LIST"
    OBJECT = "OBJECT"
    ANY = "ANY"


class RunStatus(StrEnum):
    """How far a run has come."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    LOST = "LOST"


class Phase(StrEnum):
    """On which data a metric was measured."""

    TRAINING = "TRAINING"
    VALIDATION = "VALIDATION"
    TEST = "TEST"
    PRODUCTION = "PRODUCTION"


class SpecialValue(StrEnum):
    """A measured value that is no finite number."""

    NAN = "NAN"
    POSITIVE_INFINITY = "POSITIVE_INFINITY"
    NEGATIVE_INFINITY = "NEGATIVE_INFINITY"


class LineageKind(StrEnum):
    """Why one thing is downstream of another."""

    USED = "USED"
    PRODUCED = "PRODUCED"
    DERIVED = "DERIVED"
    DEPLOYED = "DEPLOYED"
    OBSERVED = "OBSERVED"


class DatasetRole(StrEnum):
    """What a run did with a dataset version."""

    TRAINING = "TRAINING"
    VALIDATION = "VALIDATION"
    TEST = "TEST"


class ArtifactKind(StrEnum):
    """What an artifact is for."""

    MODEL = "MODEL"
    CHECKPOINT = "CHECKPOINT"
    LOG = "LOG"
    METRICS = "METRICS"
    PLOT = "PLOT"
    CONFIG = "CONFIG"
    FEATURE_IMPORTANCE = "FEATURE_IMPORTANCE"
    CONFUSION_MATRIX = "CONFUSION_MATRIX"
    OTHER = "OTHER"


class ArtifactState(StrEnum):
    """Whether the bytes of an artifact can be relied on."""

    PENDING = "PENDING"
    VERIFYING = "VERIFYING"
    AVAILABLE = "AVAILABLE"
    QUARANTINED = "QUARANTINED"
    ABANDONED = "ABANDONED"
    EXTERNAL = "EXTERNAL"


class UploadState(StrEnum):
    """How far an upload has come."""

    OPEN = "OPEN"
    COMPLETED = "COMPLETED"
    ABORTED = "ABORTED"
    EXPIRED = "EXPIRED"


class DesiredState(StrEnum):
    """What people want a deployment to do."""

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"


class ObservedState(StrEnum):
    """What an agent last saw a deployment do."""

    UNKNOWN = "UNKNOWN"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


class Health(StrEnum):
    """How well a deployment does its work."""

    UNKNOWN = "UNKNOWN"
    HEALTHY = "HEALTHY"
    DEGRADED = "DEGRADED"
    UNHEALTHY = "UNHEALTHY"


class PricedResource(StrEnum):
    """What has a price by the hour."""

    CPU_CORE_HOUR = "CPU_CORE_HOUR"
    GPU_HOUR = "GPU_HOUR"
    MEMORY_GIB_HOUR = "MEMORY_GIB_HOUR"
    RUN_HOUR = "RUN_HOUR"


class WebhookState(StrEnum):
    """Whether a webhook is told of events."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"


class DisabledReason(StrEnum):
    """Why a webhook is told of nothing."""

    BY_HAND = "BY_HAND"
    FAILING = "FAILING"
    GONE = "GONE"
    UNSIGNABLE = "UNSIGNABLE"
    EVENTS_EXPIRED = "EVENTS_EXPIRED"


class DeliveryState(StrEnum):
    """How far the delivery of an event has come."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class JobKind(StrEnum):
    """What a worker is to do."""

    VERIFY_ARTIFACT = "VERIFY_ARTIFACT"
    CLEAR_UPLOAD = "CLEAR_UPLOAD"
    WATCH_RUN = "WATCH_RUN"
    SETTLE_REQUEST = "SETTLE_REQUEST"
    DELIVER_EVENTS = "DELIVER_EVENTS"
    SEND_DELIVERY = "SEND_DELIVERY"
    FIRE_RULE = "FIRE_RULE"


class SearchKind(StrEnum):
    """What can be found by its words."""

    TEAM = "TEAM"
    PROJECT = "PROJECT"
    MODEL = "MODEL"
    VERSION = "VERSION"
    DATASET = "DATASET"
    DATASET_VERSION = "DATASET_VERSION"
    EXPERIMENT = "EXPERIMENT"
    RUN = "RUN"
    ARTIFACT = "ARTIFACT"
    ENVIRONMENT = "ENVIRONMENT"
    DEPLOYMENT = "DEPLOYMENT"
