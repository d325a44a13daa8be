"""Automation rules, and what each of them did."""

from datetime import datetime

import strawberry
from strawberry import Parent

from db import tables
from db.codes import FiringState, Stage, TriggerKind
from registry.automation import automation_rules as automation
from registry.kernel.access import Action
from registry.kernel.errors import InvalidValue, NotFound, StaleRevision
from schema.building.edges import all_of, many, one
from schema.building.events import events_of
from schema.building.mutations import change
from schema.building.node import RowNode
from schema.types.interfaces import Authored


@strawberry.type(
    description="What is done with the versions of a model by itself, and when. Workers act on it, by the rules that"
    " hold for people, and once for whatever the slot holds."
)
class AutomationRule(Authored):
    """See `db.tables.AutomationRule`."""

    table = tables.AutomationRule

    name: str = strawberry.field(description="What it is called in reasons; unique among the rules of its model.")
    is_enabled: bool = strawberry.field(description="Whether it acts.")
    trigger: TriggerKind = strawberry.field(description="When it acts, and with that what it does.")
    stage: Stage = strawberry.field(description="The slot that it moves.")
    metric: str | None = strawberry.field(description="The metric of reports that it looks at; null for none.")
    minimum: float | None = strawberry.field(description="The least value that is good; null for none.")
    maximum: float | None = strawberry.field(description="The greatest value that is good; null for none.")
    reports: int | None = strawberry.field(
        description="How many bad reports of one deployment in a row make it act; null where it looks at none."
    )
    cool_down_seconds: int | None = strawberry.field(
        description="For how many seconds after a rollback by a rule it leaves the model alone; null where it promotes."
    )
    revision: int = strawberry.field(description="1 at first; each change adds 1. Send it as `expectedRevision`.")
    created_at: datetime = strawberry.field(description="When it was first set.")
    updated_at: datetime = strawberry.field(description="When it last changed.")
    removed_at: datetime | None = strawberry.field(description="Since when it acts no more; null while it does.")

    model = one(tables.Model, "model_id", required=True, description="The model it is for.")
    environment = one(
        tables.Environment, "environment_id", description="Where the deployments run that count; null for everywhere."
    )
    set_by = one(
        tables.Principal,
        "set_by",
        required=True,
        description="Who set it as it is: it acts in their name.",
    )
    created_by = one(tables.Principal, "created_by", required=True, description="Who first set it.")
    firings = many(tables.AutomationFiring, "rule_id", description="What it did, latest first.")
    events = events_of(tables.AutomationRule)


def _measured(root: Parent[tables.AutomationFiring]) -> list[str]:
    return root.measured


@strawberry.type(description="An automation rule acted: what it did, and on what grounds.")
class AutomationFiring(RowNode):
    """See `db.tables.AutomationFiring`."""

    table = tables.AutomationFiring

    state: FiringState = strawberry.field(description="What came of it.")
    reason: str = strawberry.field(description="Why it acted and, where nothing came of it, why not.")
    rule_revision: int = strawberry.field(description="The revision of the rule that acted.")
    slot_revision: int = strawberry.field(description="The revision of the slot that it found.")
    created_at: datetime = strawberry.field(description="When it happened.")
    measured = strawberry.field(
        _measured, metadata={"rows": 1},
        description="The reports it acted on, latest first: numbers, special values such as NAN, or states of health;"
        " none for a promotion, whose transition has the verdicts of the gates.",
    )  # fmt: skip

    rule = one(tables.AutomationRule, "rule_id", required=True, description="The rule.")
    model = one(tables.Model, "model_id", required=True, description="The model.")
    version = one(
        tables.ModelVersion, "version_id", required=True,
        description="The version that it promoted, or that was in PRODUCTION and was bad.",
    )  # fmt: skip
    deployment = one(
        tables.Deployment, "deployment_id",
        description="The deployment whose reports were the cause; null for a promotion.",
    )  # fmt: skip
    transition = one(tables.Transition, "transition_id", description="What it did; null where nothing came of it.")


@strawberry.type
class AutomationQuery:
    """The reads of automation rules."""

    automation_rules = all_of(
        tables.AutomationRule, description="The automation rules of all models, newest first; removed ones, too."
    )
    automation_firings = all_of(tables.AutomationFiring, description="What all automation rules did, latest first.")


@strawberry.type
class AutomationMutation:
    """The changes of automation rules."""

    set_automation_rule = change(
        automation.set_rule, tables.AutomationRule, action=Action.ADMINISTER,
        errors=[NotFound, InvalidValue, StaleRevision],
        description="Says what is to be done with the versions of a model by itself, in place of what a rule of this"
        " name said before.",
    )  # fmt: skip
    remove_automation_rule = change(
        automation.remove_rule, tables.AutomationRule,
        action=Action.ADMINISTER, errors=[NotFound, InvalidValue, StaleRevision],
        description="Lets an automation rule act no more. What it did stays.",
    )  # fmt: skip
