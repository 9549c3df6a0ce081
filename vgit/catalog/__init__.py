"""Catalog: the names of a store's volumes, and the store root that holds both."""

from vgit.catalog.catalog import Catalog
from vgit.catalog.ephemeral import create_ephemeral, reap_ephemerals
from vgit.catalog.record import CatalogRecord
from vgit.catalog.store_root import StoreRoot

__all__ = ["Catalog", "CatalogRecord", "StoreRoot", "create_ephemeral", "reap_ephemerals"]
