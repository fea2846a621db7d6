"""Which pods and sources a node is brought, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_sync.plan import plan
from cloud_sync.step import Held, Step, held
from cloud_sync.stored import CONFIG_MAP, POD, SECRET, StoredObject

KEYS, SETTINGS = f"{SECRET}/default/keys", f"{CONFIG_MAP}/default/settings"


def stored(kind: str, name: str, version: int, *, uid: str = "", needs: Sequence[str] = ()) -> StoredObject:
    uid = uid or f"uid of {kind} {name}"
    metadata = {"name": name, "namespace": "default", "uid": uid, "resourceVersion": str(version)}
    content: dict[str, Any] = {"spec": {"nodeName": "n"}} if kind == POD else {"data": {"key": "c2VjcmV0"}}
    whole = {"apiVersion": "v1", "kind": kind, "metadata": metadata, **content}
    waits = dict.fromkeys(needs, True)
    return StoredObject(f"{kind}/default/{name}", kind, "default", name, uid, version, "n", "", whole, "", waits)


def pod(name: str = "web", *needs: str, version: int = 1, uid: str = "") -> StoredObject:
    return stored(POD, name, version, needs=needs, uid=uid)


def source(key: str, version: int = 1, uid: str = "") -> StoredObject:
    kind, _, name = key.split("/")
    return stored(kind, name, version, uid=uid)


def having(*objects: StoredObject, version: int | None = None) -> dict[str, Held]:
    return {o.key: Held(o.uid, o.version if version is None else version, o.object) for o in objects}


def lines(steps: Sequence[Step]) -> list[str]:
    return [f"{step.message.route.operation} {step.message.route.resource}" for step in steps]


def test_sources_come_before_their_pod() -> None:
    steps = plan([source(SETTINGS), source(KEYS), pod("web", KEYS, SETTINGS)], {})
    assert lines(steps) == [
        "insert default/configmap/settings",
        "insert default/secret/keys",
        "insert default/pod/web",
    ]
    assert {step.before for step in steps} == {None}, "of a pod there is no membership"


def test_a_pod_goes_before_its_sources_and_leaves_room_for_others() -> None:
    wanted = [pod("new")]
    steps = plan(wanted, having(source(KEYS), pod("old", KEYS)))
    assert lines(steps) == ["delete default/pod/old", "insert default/pod/new", "delete default/secret/keys"]


def test_a_pod_with_another_source_keeps_the_old_one_until_it_has_changed() -> None:
    steps = plan([source(SETTINGS), pod("web", SETTINGS, version=2)], having(source(KEYS), pod("web", KEYS)))
    assert lines(steps) == [
        "insert default/configmap/settings",
        "update default/pod/web",
        "delete default/secret/keys",
    ]


def test_a_changed_secret_comes_alone() -> None:
    steps = plan([source(KEYS, 2), pod("web", KEYS)], having(source(KEYS), pod("web", KEYS)))
    assert lines(steps) == ["update default/secret/keys"]


def test_a_pod_without_its_source_is_sent_all_the_same() -> None:
    assert lines(plan([pod("web", KEYS)], {})) == ["insert default/pod/web"]


def test_what_may_be_there_is_brought_again_or_deleted() -> None:
    perhaps = having(source(KEYS), pod("web", KEYS), version=0)
    assert lines(plan([source(KEYS), pod("web", KEYS)], perhaps)) == [
        "insert default/secret/keys",
        "insert default/pod/web",
    ]
    assert lines(plan([], perhaps)) == ["delete default/pod/web", "delete default/secret/keys"]


def test_of_a_source_that_a_node_has_only_the_name_is_noted() -> None:
    [step, _] = plan([source(KEYS), pod("web", KEYS)], {})
    noted = held(step.message)
    assert (noted.uid, noted.version) == (source(KEYS).uid, 1)
    assert noted.object == {"apiVersion": "v1", "kind": SECRET, "metadata": source(KEYS).object["metadata"]}
    assert lines(plan([], {KEYS: noted})) == ["delete default/secret/keys"]


# ---- whatever is wanted, and wherever it is cut off


@dataclass
class Node:
    """A node that checks the order, and what the cloud has written down of it."""

    objects: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Key → uid and version."""
    needs: dict[str, set[str]] = field(default_factory=dict)
    """Of each pod there is: the sources it was to find when it came."""
    confirmed: dict[str, Held] = field(default_factory=dict)

    def take(self, wanted: Sequence[StoredObject], number: int, *, confirming: bool) -> None:
        """The first of the steps to what is wanted; the last of them is confirmed or not."""
        there = {one.key: one for one in wanted}
        planned = plan(wanted, self.confirmed)
        for step in planned:
            if step.message.route.operation == "delete" or step.key not in self.confirmed:
                self.confirmed[step.key] = held(step.message)._replace(version=0)
        steps = planned[:number]
        for step in steps:
            self._object(step, there)
            if step is not steps[-1] or confirming:
                self._confirm(step)

    def _object(self, step: Step, there: dict[str, StoredObject]) -> None:
        if step.message.route.operation == "delete":
            self.objects.pop(step.key, None)
            self.needs.pop(step.key, None)
            users = {key for key, needs in self.needs.items() if step.key in needs}
            withdrawn = {key for key in users if key in there and step.key in there[key].needs}
            assert users == withdrawn, "a source went before the pods that need it"
            return
        known = held(step.message)
        self.objects[step.key] = known.uid, known.version
        if step.key.startswith(f"{POD}/"):
            needs = {key for key in there[step.key].needs if key in there}
            assert needs <= self.objects.keys(), "a pod came before its source"
            self.needs[step.key] = needs

    def _confirm(self, step: Step) -> None:
        if step.message.route.operation == "delete":
            del self.confirmed[step.key]
        else:
            self.confirmed[step.key] = held(step.message)


@st.composite
def wanteds(draw: st.DrawFn) -> list[tuple[str, frozenset[str], int]]:
    """Pods: name, what they need, and which edit it is."""
    names = sorted(draw(st.sets(st.sampled_from("abc"))))
    needs = st.frozensets(st.sampled_from([KEYS, SETTINGS, f"{SECRET}/default/more"]))
    return [(name, draw(needs), draw(st.integers(1, 3))) for name in names]


Pods = list[tuple[str, frozenset[str], int]]


def in_time(lists: Sequence[tuple[Pods, frozenset[str]]]) -> Iterator[list[StoredObject]]:
    """What is wanted at one time after the other, as a store would have it: a version is another for what differs,
    and what was gone and is declared again is another object. Some sources are missing."""
    uids: dict[str, str] = {}
    versions: dict[tuple[object, ...], int] = {}
    for number, (pods, missing) in enumerate(lists):
        named = {f"{POD}/default/{name}" for name, _, _ in pods}
        kept = {key: uid for key, uid in uids.items() if key in named or not key.startswith(POD)}
        uids = {key: kept.get(key, f"{key}-{number}") for key in named}
        wanted = []
        for name, needs, edit in pods:
            key = f"{POD}/default/{name}"
            version = versions.setdefault((uids[key], needs, edit), 1_000 + len(versions))
            wanted.append(pod(name, *sorted(needs), version=version, uid=uids[key]))
        yield [*(source(key) for key in sorted({k for one in wanted for k in one.needs} - missing)), *wanted]


SOURCES = st.frozensets(st.sampled_from([KEYS, SETTINGS]))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(wanteds(), SOURCES, st.integers(0, 9), st.booleans()), max_size=6), wanteds(), SOURCES)
def test_it_always_ends_at_what_is_wanted(
    before: list[tuple[Pods, frozenset[str], int, bool]], last: Pods, missing: frozenset[str]
) -> None:
    node = Node()
    *earlier_ones, wanted = in_time([*((pods, absent) for pods, absent, _, _ in before), (last, missing)])
    for earlier, (_, _, number, confirming) in zip(earlier_ones, before, strict=True):
        node.take(earlier, number, confirming=confirming)
    node.take(wanted, len(plan(wanted, node.confirmed)), confirming=True)
    assert node.objects == {one.key: (one.uid, one.version) for one in wanted}
    assert plan(wanted, node.confirmed) == []
