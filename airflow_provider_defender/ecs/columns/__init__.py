"""Functions on columns, for mappings: each takes and returns Arrow arrays of the same length.

Those that work on single values are for functions that parse JSON: `canonical_ip`, `host_name`,
`mac_address`, `hash_of`, `parts_of_file`, `parts_of_image`, `file_name`, `fork_name`, `extension_of`,
`parts_of_url`, `known_text`, `known_name`, `is_ip`. Each gives what the function on columns gives. All are
public, for use in your own mappings.
"""

from __future__ import annotations

from .addresses import (
    addresses,
    canonical_ip,
    host_name,
    is_ip,
    mac_address,
    network_type,
    network_types,
    only_host,
    only_ip,
    only_mac,
    without_brackets,
)
from .arguments import arguments
from .distinct import by_distinct, by_distinct_pair
from .hashes import HASH_LENGTHS, Algorithm, hash_of, only_hash
from .lists import collect
from .paths import (
    extension_of,
    file_name,
    file_names,
    file_parts,
    file_paths,
    fork_name,
    image_paths,
    only_name,
    parts_of_file,
    parts_of_image,
)
from .urls import LARGEST_PORT, URL_PARTS, parts_of_url, url_parts
from .values import (
    NO_GUID,
    difference_in_nanoseconds,
    first_known,
    join_known,
    known_name,
    known_text,
    lower,
    lower_guid,
    lower_guids,
    lower_text,
    only_known,
    only_named,
    only_where,
    positive,
)

__all__ = [
    "HASH_LENGTHS",
    "LARGEST_PORT",
    "NO_GUID",
    "URL_PARTS",
    "Algorithm",
    "addresses",
    "arguments",
    "by_distinct",
    "by_distinct_pair",
    "canonical_ip",
    "collect",
    "difference_in_nanoseconds",
    "extension_of",
    "file_name",
    "file_names",
    "file_parts",
    "file_paths",
    "first_known",
    "fork_name",
    "hash_of",
    "host_name",
    "image_paths",
    "is_ip",
    "join_known",
    "known_name",
    "known_text",
    "lower",
    "lower_guid",
    "lower_guids",
    "lower_text",
    "mac_address",
    "network_type",
    "network_types",
    "only_hash",
    "only_host",
    "only_ip",
    "only_known",
    "only_mac",
    "only_name",
    "only_named",
    "only_where",
    "parts_of_file",
    "parts_of_image",
    "parts_of_url",
    "positive",
    "url_parts",
    "without_brackets",
]
