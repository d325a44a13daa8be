"""Enums of the graph, described: the closed sets of `db.codes` that clients see."""

from enum import Enum

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from db import codes
from registry.batches import BatchMode
from registry.lineage import Direction
from registry.signature_changes import ChangeKind, Verdict
from resolvers.conditions import Deleted
from resolvers.paging import OrderDirection
from resolvers.rankings import RankingDirection


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
    ORGANISATION="Everywhere in the organisation.",
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
    SUMMARISATION="Says it in fewer words.",
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
    CANCELLED="Stopped by somebody.",
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
    DEPLOYED="A deployment is to run a version.",
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
    RankingDirection,
    "Which values of a metric are better.",
    MAXIMISE="Greater ones, as of an accuracy.",
    MINIMISE="Smaller ones, as of a loss.",
)
_describe(
    Verdict,
    "What a change of a signature or of a schema means to those who use it.",
    IDENTICAL="Nothing changed.",
    COMPATIBLE="What worked before works as before.",
    BREAKING="Something that worked before may fail.",
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
    Deleted,
    "What of a list is shown with regard to deletion.",
    EXCLUDE="Only what is not deleted.",
    ONLY="Only what is deleted.",
    INCLUDE="Everything.",
)
