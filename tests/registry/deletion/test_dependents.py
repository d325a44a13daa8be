"""What depends on what is declared once, and completely."""

from db.base import SCHEMA, Deletable, Row, metadata
from db.belonging import KINDS
from db.projects import is_placed
from registry.deletion.deletion import DELETIONS
from registry.deletion.dependents import DEPENDENCES
from registry.deletion.rules import DELETING, RESTORING

# Points, samples, uploads, profiles and reports are data of their owner. Aliases and deployments are held by their
# version, which is of the same model. What an agent saw is no reason to keep anything, nor is who follows a thing.
OF_THEIR_OWNER = {
    ("run_metric", "run_id"),
    ("version_metric", "version_id"),
    ("resource_sample", "run_id"),
    ("upload", "artifact_id"),
    ("dataset_profile", "dataset_version_id"),
    ("alias", "model_id"),
    ("deployment", "model_id"),
    ("deployment", "observed_version_id"),
    ("deployment_change", "deployment_id"),
    ("deployment_change", "version_id"),
    ("deployment_report", "deployment_id"),
    ("deployment_report", "observed_version_id"),
    ("deployment_metric", "deployment_id"),
    # The history of a version and the settings of a model. What is in a slot is kept there by its stage.
    *(
        (table, column)
        for table in (
            "slot",
            "slot_revision",
            "alias_revision",
            "transition",
            "promotion_request",
            "version_check",
            "automation_firing",
        )
        for column in ("model_id", "version_id")
    ),
    ("promotion_policy", "only_project_id"),
    ("promotion_policy", "model_id"),
    ("automation_rule", "model_id"),
    ("automation_rule", "environment_id"),
    ("automation_firing", "deployment_id"),
    ("webhook", "only_project_id"),
    ("webhook", "only_model_id"),
    ("webhook_delivery", "webhook_id"),
}


def deletable() -> dict[str, type[Deletable]]:
    """The tables whose rows can be deleted, by name."""
    waiting: list[type[Row]] = [Deletable]
    found: dict[str, type[Deletable]] = {}
    while waiting:
        for one in waiting.pop().__subclasses__():
            waiting.append(one)
            if issubclass(one, Deletable) and f"{SCHEMA}.{one.__tablename__}" in metadata.tables:
                found[str(one.__tablename__)] = one
    return found


def test_whatever_can_be_marked_as_deleted_can_be_deleted_and_restored() -> None:
    assert set(DELETIONS) == set(DELETING) == set(RESTORING) == set(deletable().values())


def test_every_reference_to_what_can_be_deleted_is_declared() -> None:
    tables = deletable()
    declared = {(str(one.table.__tablename__), one.column) for one in DEPENDENCES} | OF_THEIR_OWNER
    referring = {
        (table.name, foreign.columns.keys()[-1])
        for table in metadata.tables.values()
        for foreign in table.foreign_key_constraints
        if foreign.referred_table.name in tables
    }
    # The project of a row follows from what it belongs to.
    follows = {(str(table.__tablename__), "project_id") for table in KINDS.values() if is_placed(table)}
    assert referring - declared - follows == set()
