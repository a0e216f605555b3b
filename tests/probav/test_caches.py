"""Caches keep what was used last, and no more bytes than they may."""

from probav.caches import ByteCache


def test_what_is_kept_is_not_made_again(monkeypatch):
    monkeypatch.setenv("PROBAV_CACHE_MEMORY", "100")
    cache, made = ByteCache(), []

    def ask(key, size=40):
        return cache.get(key, lambda: made.append(key) or key.upper(), lambda _: size)

    assert [ask("a"), ask("b"), ask("a")] == ["A", "B", "A"]
    assert made == ["a", "b"]
    ask("c")  # 120 bytes: b was used longest ago
    ask("a")
    ask("b")
    assert made == ["a", "b", "c", "b"]
    ask("huge", 1000)
    assert ask("huge", 1000) == "HUGE"
    assert made[-2:] == ["huge", "huge"]  # more than may be kept is not


def test_nothing_is_kept_without_memory(monkeypatch):
    monkeypatch.setenv("PROBAV_CACHE_MEMORY", "0")
    cache, made = ByteCache(), []
    for _ in range(2):
        cache.get("a", lambda: made.append(1), lambda _: 1)
    assert len(made) == 2


def test_a_cache_can_be_emptied():
    cache, made = ByteCache(), []
    for _ in range(2):
        cache.get("a", lambda: made.append(1), lambda _: 1)
        cache.clear()
    assert len(made) == 2
