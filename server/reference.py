"""The table of settings as documentation shows it."""

from pydantic import SecretStr

from server.settings import Settings


def settings_table() -> str:
    """A Markdown table with a row for each environment variable, in the order of the settings."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        if default is None or field.is_required() or isinstance(default, SecretStr) or default == ():
            shown = ""
        else:
            shown = f"`{','.join(default) if isinstance(default, tuple) else default}`"
        rows.append(f"| `{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(rows)
