"""Content: one file's bytes, as a blob or, above 4 MiB, as a chunk tree.

content_writer.py stores it, content_reader.py reads it, file_writer.py writes it to a file of this machine;
chunk_tree.py is the format, chunker.py says where a file is cut.
"""

from vgit.content.buffer_ring import ReadInto
from vgit.content.chunk_tree import chunk_tree_info
from vgit.content.chunker import BLOB_LIMIT
from vgit.content.content_reader import read_content
from vgit.content.content_writer import hash_file, store_bytes, store_file, store_stream
from vgit.content.file_writer import write_content
from vgit.content.large_file import Watch
from vgit.content.stored_content import Content, StoredContent

__all__ = [
    "BLOB_LIMIT",
    "Content",
    "ReadInto",
    "StoredContent",
    "Watch",
    "chunk_tree_info",
    "hash_file",
    "read_content",
    "store_bytes",
    "store_file",
    "store_stream",
    "write_content",
]
