"""Catalog: the names of a store's volumes, and the store root that holds both."""

from vgit.catalog.catalog import Catalog
from vgit.catalog.ephemeral import create_ephemeral, reap_ephemerals
from vgit.catalog.store_root import StoreRoot
from vgit.catalog.volume_record import VolumeRecord

__all__ = ["Catalog", "StoreRoot", "VolumeRecord", "create_ephemeral", "reap_ephemerals"]
