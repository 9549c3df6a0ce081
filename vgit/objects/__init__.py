"""Objects: git's immutable, content-addressed half: blobs, trees and commits in packs."""
