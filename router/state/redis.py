"""A store in Redis or Valkey: for several machines. Times to live run by the server's clock, which all share."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from math import ceil
from typing import Any, Final, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from router.state.base import StateLost

T = TypeVar("T")

_WAIT: Final = 0.2  # seconds for a call, connecting included
# A loop that was held up has not waited, however late it is: what it could not read yet may be there.
_LAG: Final = 0.1
_ROUNDS: Final = 5
# The version is in the prefix: two releases share one server while one takes over from the other.
_PREFIX: Final = "image-router:v1:"
_ENTRY: Final = f"{_PREFIX}entry:"
_COUNTER: Final = f"{_PREFIX}counter:"
_NAMES: Final = f"{_PREFIX}names"  # every entry's key in order, so that a prefix is found without a scan of the server
_ENDS: Final = f"{_PREFIX}ends"  # and when each ends, so that the names of those that have are removed

# KEYS: the entry, the names, the ends; ARGV[1] is the entry's name among these.
_KEEPING: Final = """
local function forget(name)
  redis.call('ZREM', KEYS[2], name)
  redis.call('ZREM', KEYS[3], name)
end
local function keep(value, ttl)
  redis.call('SET', KEYS[1], value, 'PX', ttl)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('ZADD', KEYS[2], 0, ARGV[1])
  redis.call('ZADD', KEYS[3], now + ttl, ARGV[1])
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 16)) do forget(name) end
  local last = redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')[2] + 1000
  redis.call('PEXPIREAT', KEYS[2], last)
  redis.call('PEXPIREAT', KEYS[3], last)
end
"""
_PUT: Final = _KEEPING + "keep(ARGV[2], ARGV[3])"
_CLAIM: Final = (
    _KEEPING
    + """
local there = redis.call('GET', KEYS[1])
if not there then keep(ARGV[2], ARGV[3]) end
return there
"""
)
_REPLACE: Final = (
    _KEEPING
    + """
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
if ARGV[4] then keep(ARGV[4], ARGV[3]) else redis.call('DEL', KEYS[1]) forget(ARGV[1]) end
return 1
"""
)
_DELETE: Final = _KEEPING + "redis.call('DEL', KEYS[1]) forget(ARGV[1])"
_ADD: Final = """
local there = redis.call('GET', KEYS[1])
if ARGV[3] and (there or 0) + ARGV[1] > tonumber(ARGV[3]) then return false end
local total = redis.call('INCRBY', KEYS[1], ARGV[1])
if not there then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return total
"""
_ENTRIES: Final = """
local found = {}
for _, name in ipairs(redis.call('ZRANGEBYLEX', KEYS[1], '[' .. ARGV[1], '(' .. ARGV[1] .. '\\255')) do
  local value = redis.call('GET', ARGV[2] .. name)
  if value then table.insert(found, name) table.insert(found, value) end
end
return found
"""


class RedisStore:
    """Connects at the first call. One server, or one behind a name that fails over; no cluster."""

    def __init__(self, url: str) -> None:
        """`redis://`, `rediss://` or `unix://`.

        Raises:
            ValueError: the URL cannot be read, or has an option that there is not.
        """
        pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
            url,
            max_connections=32,
            timeout=None,  # `_answered` waits, and knows when it is we who are late
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # what every Redis and Valkey speaks, in one round trip less
        )
        try:
            pool.connection_class(**pool.connection_kwargs)  # opens nothing, and refuses an option that there is not
        except TypeError as error:
            raise ValueError(str(error)) from None
        self._client = Redis.from_pool(pool)
        self._put = self._client.register_script(_PUT)
        self._claim = self._client.register_script(_CLAIM)
        self._replace = self._client.register_script(_REPLACE)
        self._delete = self._client.register_script(_DELETE)
        self._add = self._client.register_script(_ADD)
        self._entries = self._client.register_script(_ENTRIES)

    async def get(self, key: str) -> bytes | None:
        """An entry; None where there is none."""
        asked: Awaitable[Any] = self._client.get(_ENTRY + key)
        found: bytes | None = await _answered(asked)
        return found

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        """Write an entry, whatever was there."""
        await _answered(self._put(_keys(key), [key, value, _milliseconds(ttl)]))

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        """Write an entry unless there is one: None for the one winner, the entry that is there for all others."""
        there: bytes | None = await _answered(self._claim(_keys(key), [key, value, _milliseconds(ttl)]))
        return there

    async def replace(self, key: str, old: bytes, new: bytes | None, ttl: float) -> bool:
        """Write `new`, or delete for None, only where the entry is still `old`; whether it was."""
        args: list[Any] = [key, old, _milliseconds(ttl), *([] if new is None else [new])]
        return bool(await _answered(self._replace(_keys(key), args)))

    async def delete(self, key: str) -> None:
        """Forget an entry."""
        await _answered(self._delete(_keys(key), [key]))

    async def add(self, key: str, amount: int, ttl: float, limit: int | None = None) -> int | None:
        """Add to a counter and tell its new value; None, and nothing added, where that would exceed `limit`."""
        args = [amount, _milliseconds(ttl), *([] if limit is None else [limit])]
        total: int | None = await _answered(self._add([_COUNTER + key], args))
        return total

    async def entries(self, prefix: str) -> Mapping[str, bytes]:
        """Every entry, not counters, whose key begins with `prefix`."""
        found: Sequence[bytes] = await _answered(self._entries([_NAMES], [prefix, _ENTRY]))
        return {name.decode(): value for name, value in zip(found[::2], found[1::2], strict=True)}

    async def aclose(self) -> None:
        """Close the connections."""
        with suppress(StateLost):
            await _answered(self._client.aclose())


def _keys(key: str) -> list[str]:
    return [_ENTRY + key, _NAMES, _ENDS]


def _milliseconds(ttl: float) -> int:
    """Redis refuses an end that is now."""
    return max(1, ceil(ttl * 1000))


async def _answered(asked: Awaitable[T]) -> T:
    """What the server says in time, or that the store is lost, however its client puts it."""
    # A task of its own: who waits in the client for a connection may take a second timeout to notice the first.
    task, loop = asyncio.ensure_future(asked), asyncio.get_running_loop()
    try:
        for _ in range(_ROUNDS):
            due = loop.time() + _WAIT
            await asyncio.wait({task}, timeout=_WAIT)
            if task.done() or loop.time() - due < _LAG:
                break
    finally:
        if not task.done():
            task.add_done_callback(_ignore)
            task.cancel()
    if not task.done():
        raise StateLost(f"Redis did not answer within {_WAIT:g} s.")
    try:
        return task.result()
    except Exception as error:
        # A wrong password, no memory left, a replica, a closed transport: traffic goes on without the store.
        raise StateLost(f"Redis cannot be used: {type(error).__name__}: {error}.") from error


def _ignore(task: asyncio.Future[Any]) -> None:
    """Take what became of a call that nobody waits for: it is not worth a warning."""
    if not task.cancelled():
        task.exception()
