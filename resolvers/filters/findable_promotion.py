"""What lists of stages, aliases' histories, policies, requests, reviews, checks and automation rules are found by."""

from collections.abc import Mapping
from typing import Final

from db import tables
from db.base import Tenant
from db.codes import (
    AliasRevisionKind,
    FiringState,
    RequestState,
    ReviewDecision,
    Stage,
    TransitionKind,
    TriggerKind,
)
from resolvers.filters.declaration import (
    BY_CREATION,
    BY_NAME,
    BY_UPDATE,
    CREATED,
    NAME,
    UPDATED,
    Findable,
    Said,
    of_model,
)
from resolvers.filters.fields import AliasName, Code, Flag, Id, Present, Text, Time, Valid
from resolvers.filters.links import Some, Through

PROMOTIONS: Final[Mapping[type[Tenant], Findable]] = {
    tables.Transition: Findable(
        filters={
            "kind": Said(Code("kind", TransitionKind), "It is of any of these kinds."),
            "from_stage": Said(Code("from_stage", Stage), "It began in any of these stages."),
            "to_stage": Said(Code("to_stage", Stage), "It led to any of these stages."),
            "version": Said(Id("version_id", "ModelVersion"), "Any of these versions went."),
            "model": Said(Id("model_id", "Model"), "A version of any of these models went."),
            "project": Said(of_model(Id("project_id", "Project")), "Its model lives in any of these projects."),
            "automation_rule": Said(
                Id("automation_rule_id", "AutomationRule"), "Any of these automation rules sent it."
            ),
            "request": Said(Id("request_id", "PromotionRequest"), "Any of these requests led to it."),
            "policy": Said(Id("policy_id", "PromotionPolicy"), "Any of these policies held."),
            "is_automatic": Said(Present("automation_rule_id"), "Whether an automation rule sent it."),
            "reason": Said(Text("reason"), "Why."),
            "created_at": Said(Time("created_at"), "When it happened."),
            "created_by": Said(Id("created_by", "Principal"), "Any of these principals sent it."),
        },
        orders={"number": "By its number in its model.", "created_at": "By the time when it happened."},
    ),
    tables.PromotionPolicy: Findable(
        filters={
            "stage": Said(Code("stage", Stage), "It is for any of these stages."),
            "alias": Said(AliasName("alias"), "It protects an alias of this name."),
            "model": Said(Id("model_id", "Model"), "It is for any of these models."),
            "project": Said(Id("only_project_id", "Project"), "It is for any of these projects."),
            "is_removed": Said(Present("removed_at"), "Whether it holds no more."),
            **CREATED, **UPDATED,
        },
        orders={**BY_CREATION, **BY_UPDATE},
    ),
    tables.PromotionPolicyRevision: Findable(
        filters={"reason": Said(Text("reason"), "Why."), **CREATED},
        orders={"revision": "By revision.", **BY_CREATION},
    ),
    tables.PromotionRequest: Findable(
        filters={
            "state": Said(Code("state", RequestState), "Any of these became of it."),
            "stage": Said(Code("stage", Stage), "It is about any of these stages."),
            "alias": Said(AliasName("alias"), "It is about an alias of this name."),
            "version": Said(Id("version_id", "ModelVersion"), "It is about any of these versions."),
            "model": Said(Id("model_id", "Model"), "It is about versions of any of these models."),
            "project": Said(of_model(Id("project_id", "Project")), "Its model lives in any of these projects."),
            "reviewed_by": Said(
                Through(tables.PromotionReview, "request_id", Id("created_by", "Principal")),
                "Any of these principals reviewed it.",
            ),
            "expires_at": Said(Time("expires_at"), "Until when it can be completed."),
            "closed_at": Said(Time("closed_at"), "When it ended."),
            **CREATED,
        },
        orders={"expires_at": "By the time until which it can be completed.", **BY_CREATION},
    ),
    tables.PromotionReview: Findable(
        filters={"decision": Said(Code("decision", ReviewDecision), "Any of these was decided."), **CREATED},
        orders={**BY_CREATION},
    ),
    tables.VersionCheck: Findable(
        filters={
            **NAME,
            "passed": Said(Flag("passed"), "Whether it passed."),
            "digest": Said(Text("digest"), "The digest of the version that was checked."),
            **CREATED,
        },
        orders={**BY_NAME, **BY_CREATION},
    ),
    tables.SlotRevision: Findable(
        filters={
            "stage": Said(Code("stage", Stage), "It is of the slot of any of these stages."),
            "at": Said(Valid("valid_from", "valid_to"), "It is what the slot held at this time."),
            "has_version": Said(Present("version_id"), "Whether the slot held anything."),
            "version": Said(Id("version_id", "ModelVersion"), "The slot held any of these versions."),
            "model": Said(Id("model_id", "Model"), "It is of a slot of any of these models."),
            "project": Said(of_model(Id("project_id", "Project")), "Its model lives in any of these projects."),
            "valid_from": Said(Time("valid_from"), "From when on the slot held it."),
            "valid_to": Said(Time("valid_to"), "Until when the slot held it."),
        },
        orders={"revision": "By revision.", "valid_from": "By the time from which on the slot held it."},
    ),
    tables.AliasRevision: Findable(
        filters={
            "name": Said(AliasName("name"), "It is of an alias of this name."),
            "kind": Said(Code("kind", AliasRevisionKind), "It is of any of these kinds."),
            "at": Said(Valid("valid_from", "valid_to"), "It is what the alias pointed at at this time."),
            "has_version": Said(Present("version_id"), "Whether the alias pointed at anything."),
            "version": Said(Id("version_id", "ModelVersion"), "The alias pointed at any of these versions."),
            "model": Said(Id("model_id", "Model"), "It is of an alias of any of these models."),
            "project": Said(of_model(Id("project_id", "Project")), "Its model lives in any of these projects."),
            "request": Said(Id("request_id", "PromotionRequest"), "Any of these requests led to it."),
            "policy": Said(Id("policy_id", "PromotionPolicy"), "Any of these policies held."),
            "reason": Said(Text("reason"), "Why."),
            "created_by": Said(Id("created_by", "Principal"), "Any of these principals did it."),
            "valid_from": Said(Time("valid_from"), "From when on the alias pointed at it."),
            "valid_to": Said(Time("valid_to"), "Until when the alias pointed at it."),
        },
        orders={"revision": "By revision.", "valid_from": "By the time from which on the alias pointed at it."},
    ),
    tables.AutomationRule: Findable(
        filters={
            **NAME,
            "trigger": Said(Code("trigger", TriggerKind), "It has any of these triggers."),
            "stage": Said(Code("stage", Stage), "It moves the slot of any of these stages."),
            "metric": Said(Text("metric"), "The metric that it looks at."),
            "environment": Said(Id("environment_id", "Environment"), "It looks at any of these environments alone."),
            "is_enabled": Said(Flag("is_enabled"), "Whether it acts."),
            "is_removed": Said(Present("removed_at"), "Whether it was removed."),
            "model": Said(Id("model_id", "Model"), "It is for any of these models."),
            "project": Said(of_model(Id("project_id", "Project")), "Its model lives in any of these projects."),
            "set_by": Said(Id("set_by", "Principal"), "Any of these principals set it as it is."),
            "firings": Said(Some(tables.AutomationFiring, "rule_id"), "It acted in a way that is like this."),
            **CREATED, **UPDATED,
        },
        orders={**BY_NAME, **BY_CREATION, **BY_UPDATE},
    ),
    tables.AutomationFiring: Findable(
        filters={
            "state": Said(Code("state", FiringState), "Any of these came of it."),
            "rule": Said(Id("rule_id", "AutomationRule"), "Any of these rules acted."),
            "version": Said(Id("version_id", "ModelVersion"), "It is about any of these versions."),
            "model": Said(Id("model_id", "Model"), "It is about versions of any of these models."),
            "project": Said(of_model(Id("project_id", "Project")), "Its model lives in any of these projects."),
            "deployment": Said(Id("deployment_id", "Deployment"), "Any of these deployments was the cause."),
            "reason": Said(Text("reason"), "Why."),
            "created_at": Said(Time("created_at"), "When it happened."),
        },
        orders={"created_at": "By the time when it happened."},
    ),
}  # fmt: skip
