"""Content: one file's bytes, as a blob or, above 4 MiB, as a chunk tree.

files.py stores, read.py reads, write.py checks out; chunk_tree.py is the format, chunking.py the cutting.
"""

from vgit.content.chunk_tree import chunk_tree_info, is_chunk_tree
from vgit.content.files import hash_file, store_bytes, store_file, store_stream
from vgit.content.large_file import Watch
from vgit.content.read import read_content
from vgit.content.stored_content import Content, StoredContent
from vgit.content.windows import ReadInto
from vgit.content.write import write_content

__all__ = [
    "Content",
    "ReadInto",
    "StoredContent",
    "Watch",
    "chunk_tree_info",
    "hash_file",
    "is_chunk_tree",
    "read_content",
    "store_bytes",
    "store_file",
    "store_stream",
    "write_content",
]
