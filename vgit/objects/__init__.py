"""Objects: git's immutable, content-addressed half: blobs, trees and commits in packs.

writing   object_writer → pack_writer → pack_stream → the backend's staged file
reading   object_database → object_search → pack_set → pack_reader → the backend
"""
