from cloud_sync.api_forms import Condition, Pod, Source
from twinhub.cloud_pod_rows import pod_page, pod_table, source_table

NOW = 1_786_000_000.0
MISSING = Condition("SourceMissing", "there is no Secret keys", "apply it")


def web(values: dict[str, str], *, declared: str = "cloud", confirmed: bool = True, **more: list[Condition]) -> Pod:
    return Pod("default/web", "press-shop", declared, confirmed, values, 0, **more)


def test_a_pod_shows_what_its_node_said_and_whether_it_has_confirmed_it() -> None:
    running = {"status": "Running", "ready": "true", "restarts": "2", "started": "2026-08-06T07:06:40+00:00"}
    for pod, status in (
        (web({}, confirmed=False), "not confirmed here"),
        (web({}), "not reported here"),
        (web(running), "true Running 2 0.0 s here"),
        (web(running | {"status": "CrashLoopBackOff"}), "true CrashLoopBackOff 2 0.0 s here"),
        (web(running, confirmed=False), "true Running, not confirmed 2 0.0 s here"),
        (web(running, declared="edge"), "true Running 2 0.0 s at the edge"),
        (web(running, declared="withdrawn", confirmed=False), "true Running, not confirmed 2 0.0 s no longer"),
    ):
        _, row = pod_table([pod], NOW)
        assert " ".join(row.split()) == f"default/web press-shop {status}"


def test_what_is_wrong_with_a_pod_stands_below_with_advice() -> None:
    pod = web({}, conditions=[MISSING])
    assert pod_table([pod], NOW)[-1] == "default/web: SourceMissing: there is no Secret keys; apply it"
    assert list(pod_page(pod, NOW))[-1] == pod_table([pod], NOW)[-1]


def test_a_page_says_where_it_is_and_for_whom_it_waits() -> None:
    page = list(pod_page(web({"status": "Running"}, confirmed=False), NOW))
    assert page == [
        "Pod:        default/web",
        "Node:       press-shop",
        "Declared:   here; press-shop has not confirmed it yet",
        "Status:     Running",
    ]


def test_sources_show_who_takes_them() -> None:
    sources = [Source("default/keys", 2, ["default/a", "default/b"], ["edge-7"]), Source("default/unused", 1, [], [])]
    header, keys, unused = source_table("SECRET", sources)
    assert header.split() == ["SECRET", "KEYS", "PODS", "NODES"]
    assert keys.split() == ["default/keys", "2", "default/a,", "default/b", "edge-7"]
    assert unused.split() == ["default/unused", "1"]
