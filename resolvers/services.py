"""The services of a process, which its operations and its jobs share."""

from dataclasses import dataclass

from db.session import Database
from registry.events.feed import Feed
from registry.files.shelves import Shelves
from registry.webhooks.hook_urls import TrustedHosts
from registry.webhooks.vault import Vault
from storage.store import ObjectStore


@dataclass(frozen=True)
class Services:
    """What a process has one of."""

    database: Database
    store: ObjectStore
    feed: Feed
    shelves: Shelves
    frameworks: tuple[str, ...]
    version: str
    vault: Vault
    trusted_hosts: TrustedHosts
