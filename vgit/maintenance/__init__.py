"""Maintenance: what keeps a repository in shape, and its writers need not know of.

``upkeep`` says what is done by itself, and after what: ``roll_up`` joins small packs,
``drop_replaced`` removes those that were joined, ``sweep`` what dead writers left.
Whatever gives space back or looks for damage belongs here. It works beside
readers, writers and stock git: it deletes under the backend's ``exclusive`` lock
only, spares packs with a mark (``.keep``) and what is young by the store's own
clock, and every state that a ref names stays whole if it dies half way.
"""
