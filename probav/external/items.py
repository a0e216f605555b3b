"""Items of a STAC API or a static catalogue: bounded, asked again when the server stumbles, none left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np
import shapely

from probav.errors import ProbavError, QueryError, SourceError, did_you_mean
from probav.extras import need
from probav.times import time_range

TOKEN = "PROBAV_STAC_TOKEN"  # noqa: S105 - the name of an environment variable
WHAT = "Loading from STAC"
_RETRIES, _BACKOFF, _TIMEOUT = 5, 0.5, (10, 60)
_STUMBLES = (429, 500, 502, 503, 504)
_MOST_PAGES = 1000
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes
    ----------
    items : list of pystac.Item
        With absolute links to their assets.
    template : dict
        The collection's `item_assets`.
    title, licence, citation : str
        Of the collection.
    """

    items: list[Any]
    template: dict[str, Any]
    title: str
    licence: str
    citation: str


def find(url: str, collection: str, area: Any, time: Any, limit: int) -> Found:
    """Return the items of a collection that meet an area (shapely, EPSG:4326) and a period.

    Raises
    ------
    SourceError
        If the catalogue can't be read, or has no such collection.
    QueryError
        If there are none, or more than `limit`.
    MissingExtraError
        If the extra "stac" is not installed.
    """
    need("pystac_client", "stac", WHAT)
    import pystac
    from pystac_client.exceptions import APIError

    if limit < 1:
        raise QueryError(f"limit={limit!r} leaves nothing; expected a positive number of items.")
    local = _local(url)
    try:
        if local is None:
            root = _client(url)
        else:
            root = pystac.Catalog.from_file(str(local))
        parent = _collection(root, collection, url)
        items = []
        for item in _candidates(root, parent, area, time, limit):
            if _meets(item, area, time):
                items.append(item)
                if len(items) > limit:
                    raise QueryError(
                        f"{url} has more than {limit} items of {collection} there and then; narrow the area "
                        "or the time, or allow more with limit=."
                    )
    except ProbavError:
        raise
    except (APIError, pystac.STACError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        words = " ".join(str(error).split())[:300] or type(error).__name__
        raise SourceError(f"The STAC catalogue {url} can't be read: {words}") from error
    if not items:
        raise QueryError(f"{url} has no item of {collection} there and then; widen the area or the time.")
    trusted = local is not None or urlparse(url).hostname in _LOOPBACK
    for item in items:
        item.make_asset_hrefs_absolute()
        _check_links(item, trusted)
    facts = parent.to_dict(include_self_link=False)
    return Found(
        sorted(items, key=lambda item: (moment(item), item.id)),
        facts.get("item_assets") or {},
        str(parent.title or parent.id),
        str(parent.license),
        str(facts.get("sci:citation") or ""),
    )


def moment(item: Any) -> datetime:
    """Return when an item was taken (UTC, naive): its datetime, or the start of its period."""
    when: datetime = item.datetime or item.common_metadata.start_datetime
    return when.replace(tzinfo=None)


def _local(url: str) -> Path | None:
    parsed = urlparse(url)
    if parsed.scheme in ("http", "https"):
        return None
    path = Path(url2pathname(parsed.path)) if parsed.scheme == "file" else Path(url).expanduser()
    if not path.exists():
        raise SourceError(
            f"There is no STAC catalogue at {url}; expected the URL of an API, or the path or URL of a "
            "catalog.json."
        )
    return path / "catalog.json" if path.is_dir() else path


def _client(url: str) -> Any:
    from pystac_client import Client
    from pystac_client.stac_api_io import StacApiIO

    own = urlparse(url)
    token = os.environ.get(TOKEN)

    def authorise(request: Any) -> Any:
        to = urlparse(request.url)
        safe = to.scheme == "https" or to.hostname in _LOOPBACK
        if (
            token and safe and (to.scheme, to.netloc) == (own.scheme, own.netloc)
        ):  # for that server's eyes only
            request.headers["Authorization"] = f"Bearer {token}"
        return request

    retry = need("requests.adapters", "stac", WHAT).Retry(
        total=_RETRIES, backoff_factor=_BACKOFF, status_forcelist=_STUMBLES, allowed_methods=None,
        respect_retry_after_header=False,
    )  # fmt: skip
    stac_io = StacApiIO(max_retries=retry, timeout=_TIMEOUT)
    return Client.open(url, stac_io=stac_io, request_modifier=authorise)


def _collection(root: Any, name: str, url: str) -> Any:
    import pystac
    from pystac_client.exceptions import APIError

    if isinstance(root, pystac.Collection) and root.id == name:
        return root
    try:
        found = root.get_child(name, recursive=True) if not _is_api(root) else root.get_collection(name)
    except APIError as error:
        if error.status_code != 404:
            raise
        found = None
    if found is None:
        known = [child.id for child, _ in zip(root.get_collections(), range(1000), strict=False)]
        raise SourceError(f"{url} has no collection {name!r}.{did_you_mean(name, known)}")
    return found


def _is_api(root: Any) -> bool:
    return hasattr(root, "conforms_to") and bool(root.conforms_to("ITEM_SEARCH"))


def _candidates(root: Any, parent: Any, area: Any, time: Any, limit: int) -> Iterator[Any]:
    """Yield items of the collection: what the server found, or all that a static catalogue links to."""
    import pystac

    if not _is_api(root):
        for count, item in enumerate(parent.get_items(recursive=True)):
            if count >= _MOST_PAGES * 100:
                raise QueryError(f"The static catalogue has over {count} items of {parent.id}; use an API.")
            yield item
        return
    first, last = time_range(time)
    between = None if first is last is None else f"{first or '..'}/{last or '..'}"
    search = root.search(
        collections=[parent.id], bbox=area.bounds, datetime=between, limit=min(limit + 1, 100), max_items=None
    )
    seen: set[str] = set()
    for count, page in enumerate(search.pages_as_dicts(), 1):
        for feature in page["features"]:
            item = pystac.Item.from_dict(feature, root=root)
            if item.id not in seen:  # pages shift when items are added meanwhile
                seen.add(item.id)
                yield item
        if count == _MOST_PAGES or not page["features"]:
            return


def _meets(item: Any, area: Any, time: Any) -> bool:
    first, last = time_range(time)
    day = np.datetime64(moment(item), "D")
    if (first is not None and day < first) or (last is not None and day > last):
        return False
    return item.geometry is not None and bool(shapely.geometry.shape(item.geometry).intersects(area))


def _check_links(item: Any, trusted: bool) -> None:
    """Let a server on the network name no file of this machine."""
    for key, asset in item.assets.items():
        scheme = urlparse(asset.href).scheme
        if scheme not in ("http", "https", "s3", "gs") and not (trusted and scheme in ("", "file")):
            raise SourceError(
                f"Item {item.id}, asset {key!r} lies at {asset.href[:200]!r}; expected http(s) or an object "
                "store."
            )
