"""Enums of the graph, described: the closed sets of `db.codes` that clients see."""

from enum import Enum, StrEnum
from inspect import cleandoc

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from db import codes
from registry.catalog.version_status import ModelVersionStatus
from registry.facts.signature_diff import ChangeKind, SignatureCompatibility
from registry.graph.lineage import Direction
from registry.kernel.batches import BatchMode
from registry.kernel.errors import FAILURES
from registry.promotion.champion_scoring import TieBreak
from registry.promotion.promotion_events import PromotionEventKind
from registry.webhooks.webhooks import WebhookResumePoint
from resolvers.filters.expression import DeletedFilter
from resolvers.pages.paging import OrderDirection


def _describe(enum: type[Enum], description: str, **members: str) -> None:
    """Make an enum part of the graph. Every member needs its sentence."""
    definition: StrawberryEnumDefinition = strawberry.enum(enum, description=description).__strawberry_definition__  # type: ignore[attr-defined]  # set by strawberry.enum
    for value in definition.values:
        value.description = members.pop(value.name)
    if members:
        raise TypeError(f"{enum.__name__} has no members {sorted(members)}")


_describe(
    codes.PrincipalKind,
    "Who can act.",
    USER="A person.",
    SERVICE_ACCOUNT="A program.",
)
_describe(
    codes.Role,
    "What a principal may do in a scope. Each role includes those before it.",
    READER="See everything in the scope.",
    WRITER="Register models, versions, runs, datasets and artifacts.",
    MAINTAINER="Make teams and projects; promote to staging.",
    PROMOTER="Promote to production.",
    ADMIN="Manage principals, tokens and policies.",
    OWNER="Everything.",
)
_describe(
    codes.ScopeKind,
    "Where a role holds.",
    ORGANIZATION="Everywhere in the organization.",
    TEAM="In the projects of a team.",
    PROJECT="In a project.",
)
_describe(
    codes.Stage,
    "Where a version stands in its life.",
    DEVELOPMENT="Registered; not yet a candidate.",
    STAGING="On trial.",
    PRODUCTION="In use.",
    ARCHIVED="No longer in use.",
)
_describe(
    ModelVersionStatus,
    "Whether the files of a version are all there and right.",
    PENDING="A file is not yet there, or not yet verified; none is known to be wrong.",
    READY="Every file is verified or kept elsewhere, or there is none.",
    BROKEN="A file is not what was announced, and none that is right was sent again under its path.",
)
_describe(
    codes.TransitionKind,
    "Why a version went from one stage to another.",
    PROMOTION="It was promoted.",
    ROLLBACK="It was put back in place of one that was promoted after it.",
    DISPLACEMENT="Another one took its place, by promotion or rollback.",
    DEMOTION="It was sent one stage back.",
    ARCHIVAL="It was taken out of use by hand.",
    REACTIVATION="It was brought back from the archive.",
)
_describe(
    codes.AliasRevisionKind,
    "Why an alias came to point at something else.",
    MOVE="It was set or moved to the version.",
    REMOVAL="It was taken from the model.",
    ROLLBACK="It went back to a version that it pointed at before.",
)
_describe(
    codes.GateOutcome,
    "What a gate said.",
    PASSED="It is open.",
    WAITING="It opens when somebody else acts, or with time.",
    FAILED="It stays closed until something about the version changes.",
)
_describe(
    codes.RequestState,
    "What became of a request for promotion.",
    OPEN="Nothing yet.",
    COMPLETED="The version went where it was to go.",
    REJECTED="A reviewer said no.",
    WITHDRAWN="Somebody took it back.",
    EXPIRED="Nobody completed it in time.",
    STALE="The slot or the version changed before it was decided.",
)
_describe(
    codes.TriggerKind,
    "When an automation rule acts, and with that what it does.",
    GATES_OPEN="A version passes every gate for a stage: it is promoted.",
    METRIC_BREACH="A metric of the version in PRODUCTION is out of bounds: the model is rolled back.",
    UNHEALTHY="The version in PRODUCTION does not do its work: the model is rolled back.",
)
_describe(
    codes.FiringState,
    "What came of it when an automation rule acted.",
    DONE="What the rule is for.",
    FAILED="Nothing: it could not be done, and is not tried again while the slot holds the same.",
)
_describe(
    codes.ReviewDecision,
    "What a reviewer decided.",
    APPROVED="The version may go there.",
    REJECTED="It may not.",
)
_describe(
    PromotionEventKind,
    "What happened to a promotion.",
    PROMOTED="A version was promoted.",
    ROLLED_BACK="A version took its former place again.",
    DISPLACED="A version made way for another.",
    DEMOTED="A version was sent back to an earlier stage.",
    ARCHIVED="A version was archived.",
    REACTIVATED="An archived version was made a candidate again.",
    REQUEST_CREATED="Somebody asked for a promotion.",
    REQUEST_APPROVED="Somebody approved it.",
    REQUEST_REJECTED="Somebody rejected it.",
    REQUEST_COMPLETED="It was done.",
    REQUEST_WITHDRAWN="Whoever asked for it took that back.",
    REQUEST_EXPIRED="Nobody decided in time.",
    REQUEST_STALE="What it was about has changed since.",
)
_describe(
    codes.TaskType,
    "What a model does for those who use it.",
    CLASSIFICATION="Says which class something is of.",
    REGRESSION="Estimates a number.",
    CLUSTERING="Groups what is alike.",
    ANOMALY_DETECTION="Finds what is out of the ordinary.",
    FORECASTING="Says how a series goes on.",
    RANKING="Puts things in order.",
    RECOMMENDATION="Suggests what somebody may want.",
    EMBEDDING="Turns things into vectors.",
    OBJECT_DETECTION="Finds things in a picture.",
    SEGMENTATION="Divides a picture into its parts.",
    SPEECH_RECOGNITION="Writes down what is said.",
    TRANSLATION="Says it in another language.",
    SUMMARIZATION="Says it in fewer words.",
    QUESTION_ANSWERING="Answers questions.",
    GENERATION="Makes text, pictures, sound or code.",
    REINFORCEMENT_LEARNING="Chooses actions.",
    OTHER="Anything else.",
)
_describe(
    codes.DataType,
    "What the values of a field or a column are.",
    BOOLEAN="True or false.",
    INT8="Whole numbers of 8 bits.",
    INT16="Whole numbers of 16 bits.",
    INT32="Whole numbers of 32 bits.",
    INT64="Whole numbers of 64 bits.",
    UINT8="Whole numbers from 0 of 8 bits.",
    UINT16="Whole numbers from 0 of 16 bits.",
    UINT32="Whole numbers from 0 of 32 bits.",
    UINT64="Whole numbers from 0 of 64 bits.",
    FLOAT16="Floating-point numbers of 16 bits.",
    BFLOAT16="Floating-point numbers of 16 bits with the exponent of 32.",
    FLOAT32="Floating-point numbers of 32 bits.",
    FLOAT64="Floating-point numbers of 64 bits.",
    COMPLEX64="Complex numbers of two 32-bit parts.",
    COMPLEX128="Complex numbers of two 64-bit parts.",
    DECIMAL="Decimal numbers without rounding.",
    STRING="Text.",
    CATEGORY="Text from a known set.",
    BYTES="Bytes, such as a picture.",
    DATE="A day.",
    TIME="A time of day.",
    DATETIME="A moment.",
    DURATION="A length of time.",
    LIST="A list of values.",
    OBJECT="Named values.",
    ANY="Whatever there is.",
)
_describe(
    codes.RunStatus,
    "How far a run has come.",
    RUNNING="Still going on; it takes parameters and metrics.",
    FINISHED="Ended as intended.",
    FAILED="Ended with an error.",
    CANCELED="Stopped by somebody.",
    LOST="Went silent for longer than its time-out. It goes on with its next sign of life.",
)
_describe(
    codes.Phase,
    "On which data a metric was measured.",
    TRAINING="The data the model learned from.",
    VALIDATION="The data its settings were chosen on.",
    TEST="Data it had never seen.",
    PRODUCTION="Live traffic.",
)
_describe(
    codes.SpecialValue,
    "A measured value that is no finite number.",
    NAN="Not a number.",
    POSITIVE_INFINITY="Beyond every number.",
    NEGATIVE_INFINITY="Below every number.",
)
_describe(
    codes.LineageKind,
    "Why one thing is downstream of another.",
    USED="A run read a dataset version.",
    PRODUCED="A run made a version.",
    DERIVED="A version was made from another one.",
    DEPLOYED="A deployment is to run a version: what people want.",
    OBSERVED="A deployment was seen to run a version, RUNNING by the reports of agents: what is.",
)
_describe(
    codes.DatasetRole,
    "What a run did with a dataset version.",
    TRAINING="It learned from it.",
    VALIDATION="It chose settings on it.",
    TEST="It measured the result on it.",
)
_describe(
    codes.ArtifactKind,
    "What an artifact is for.",
    MODEL="The model itself.",
    CHECKPOINT="A state on the way to the model.",
    LOG="What a program printed.",
    METRICS="Measured values in a file.",
    PLOT="A picture of data or results.",
    CONFIG="Settings in a file.",
    FEATURE_IMPORTANCE="How much each feature counts.",
    CONFUSION_MATRIX="Which classes are taken for which.",
    OTHER="Anything else.",
)
_describe(
    codes.ArtifactState,
    "Whether the bytes of an artifact can be relied on.",
    PENDING="Announced; its parts are awaited.",
    VERIFYING="Uploaded; a worker is reading the bytes back.",
    AVAILABLE="The stored bytes have the announced size and SHA-256. Only now it can be downloaded.",
    QUARANTINED="The stored bytes are not the announced ones; `failure` says how.",
    ABANDONED="The upload was aborted or expired.",
    EXTERNAL="The bytes are elsewhere and were never verified.",
)
_describe(
    codes.UploadState,
    "How far an upload has come.",
    OPEN="Parts can be sent.",
    COMPLETED="The parts were joined; their URLs are dead.",
    ABORTED="Given up by its client.",
    EXPIRED="Not completed in time.",
)
_describe(
    codes.DesiredState,
    "What people want a deployment to do.",
    RUNNING="Answer requests with its version.",
    STOPPED="Answer none. Its share of the traffic is free for others.",
)
_describe(
    codes.ObservedState,
    "What an agent last saw a deployment do.",
    UNKNOWN="No agent has said anything yet, or it could not tell.",
    PENDING="It is being started or changed.",
    RUNNING="It answers requests.",
    FAILED="It cannot do what is wanted.",
    STOPPED="It answers none.",
)
_describe(
    codes.Health,
    "How well a deployment does its work.",
    UNKNOWN="Nobody has said.",
    HEALTHY="As it should.",
    DEGRADED="It works, but worse than it should.",
    UNHEALTHY="It does not do its work.",
)
_describe(
    codes.WebhookState,
    "Whether a webhook is told of events.",
    ENABLED="It is told of events. One that fails is tried again and again.",
    DISABLED="It is told of nothing until it is enabled; `disabledReason` says why.",
)
_describe(
    codes.DisabledReason,
    "Why a webhook is told of nothing.",
    BY_HAND="Somebody disabled it.",
    FAILING="It failed too often and for too long.",
    GONE="The endpoint answered 410: nobody listens there any more.",
    UNSIGNABLE="Its secret cannot be read, as the key of the server is another one. Rotate the secret.",
    EVENTS_EXPIRED="It was so far behind that the next events are no longer kept. Enable it with `resume: NOW`.",
)
_describe(
    codes.DeliveryState,
    "How far the delivery of an event has come.",
    PENDING="It is tried, or tried again; while the webhook is disabled it waits.",
    DELIVERED="The endpoint answered with a status of success.",
    FAILED="It was given up: a ping or a redelivery that failed, or an event that somebody skipped.",
)
_describe(
    WebhookResumePoint,
    "From where a webhook goes on when it is enabled.",
    WHERE_IT_STOPPED="With the event that it was not told of, so that none is lost.",
    BEHIND_THE_FAILED="Behind the event that was tried last and did not arrive.",
    NOW="With the next event that happens.",
)
_describe(
    codes.SearchKind,
    "What can be found by its words.",
    TEAM="Teams.",
    PROJECT="Projects.",
    MODEL="Models.",
    VERSION="Versions of models.",
    DATASET="Datasets.",
    DATASET_VERSION="Versions of datasets.",
    EXPERIMENT="Experiments.",
    RUN="Runs.",
    ARTIFACT="Artifacts of runs and versions.",
    ENVIRONMENT="Environments.",
    DEPLOYMENT="Deployments.",
)
_describe(
    BatchMode,
    "What becomes of the other items of a batch where one is refused.",
    ALL_OR_NOTHING="Nothing is done. All items are tried, so that every refusal is told.",
    ITEM_BY_ITEM="The others are done.",
)
_describe(
    codes.PricedResource,
    "What has a price by the hour.",
    CPU_CORE_HOUR="A logical processor.",
    GPU_HOUR="A graphics processor.",
    MEMORY_GIB_HOUR="A GiB of memory that the machine has.",
    RUN_HOUR="The run itself, whatever it uses.",
)
_describe(
    Direction,
    "Which way to follow the lineage.",
    UPSTREAM="Towards what was used.",
    DOWNSTREAM="Towards what came of it.",
)
_describe(
    codes.RankingDirection,
    "Which values of a metric are better.",
    MAXIMIZE="Greater ones, as of an accuracy.",
    MINIMIZE="Smaller ones, as of a loss.",
)
_describe(
    TieBreak,
    "What decides between versions that are equally good.",
    LOWER_COST="The one whose run cost less; a cost that is not known is higher than any. Where equals cost several"
    " currencies it decides nothing among them.",
    NEWER="The one with the higher number.",
    OLDER="The one with the lower number.",
)
_describe(
    SignatureCompatibility,
    "What a change of a signature or of a schema means to those who use it.",
    IDENTICAL="Nothing changed.",
    COMPATIBLE="What worked before works as before.",
    BREAKING="Something that worked before may fail, by name or by position.",
)
_describe(
    ChangeKind,
    "What became of a part.",
    ADDED="It is new.",
    REMOVED="It is gone.",
    CHANGED="It is there, and different.",
)
_describe(
    OrderDirection,
    "Which end of an order comes first.",
    ASC="The least, the earliest, A.",
    DESC="The greatest, the latest, Z.",
)
_describe(
    DeletedFilter,
    "What of a list is shown with regard to deletion.",
    EXCLUDE="Only what is not deleted.",
    ONLY="Only what is deleted.",
    INCLUDE="Everything.",
)

UserErrorCode = StrEnum("UserErrorCode", [(failure.code, failure.code) for failure in FAILURES])  # type: ignore[misc]  # the members are the failures'
_describe(
    UserErrorCode,
    "The kinds of errors in the `errors` of a payload.",
    **{failure.code: cleandoc(failure.__doc__ or "") for failure in FAILURES},
)
