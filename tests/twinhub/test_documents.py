"""The documents: what they show works, what they point to exists."""

import re
import shlex
import subprocess
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from live_cloud import make_cloud
from live_plant import ROOT, Plant, twinhub, wait_for

from twinhub.cli import COMMANDS, main

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")])
README = (ROOT / "README.md").read_text()
CLOUD = (ROOT / "docs" / "cloud.md").read_text()
PODS = (ROOT / "docs" / "pods.md").read_text()


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def typed(text: str) -> list[list[str]]:
    """The command lines of a block, its prompts and the lines of its output aside."""
    joined = text.replace("\\\n", " ")
    lines = [line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ ")] or joined.splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_tests_that_are_named_exist(page: Path) -> None:
    for file, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text()):
        assert (ROOT / file).exists(), file
        assert f"def {name}(" in (ROOT / file).read_text() if name else True, name


def test_the_manifest_of_the_readme_is_complete(tmp_path: Path) -> None:
    (tmp_path / "pump.yaml").write_text(blocks("yaml")[0])
    done = twinhub("validate", tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.strip() in README


def test_the_commands_of_the_documents_are_understood() -> None:
    found = blocks("sh") + blocks("console") + blocks("sh", CLOUD) + blocks("sh", PODS)
    lines = [line for block in found for line in typed(block)]
    ours = [line[1:] for line in lines if line[0] == "twinhub"]
    assert {line[0] for line in ours} >= COMMANDS.keys() - {"mapper"}
    for words in ours:
        with redirect_stdout(StringIO()) as shown, pytest.raises(SystemExit) as ended:
            main([words[0], "--help", *words[1:]])
        assert ended.value.code == 0
        assert all(word in shown.getvalue() for word in words if word.startswith("--"))


def test_the_readme_walks(plant: Plant) -> None:
    """Its manifest, its PLC, its hub, its wish, on ports that are free here."""
    for file in plant.folder.glob("*.yaml"):
        file.unlink()
    (plant.folder / "twinhub.yaml").write_text(f"broker: {{port: {plant.broker_port}}}\n")
    (plant.folder / "pump.yaml").write_text(blocks("yaml")[0].replace("15020", str(plant.plc_port)))
    commands = [line for block in blocks("sh") + blocks("console") for line in typed(block)]
    wish = next(line for line in commands if line[0] == "mosquitto_pub")
    with plant.plc(), plant.hub():
        wait_for(lambda: plant.value("pump", "speed"), "the first reading")
        subprocess.run([*wish, "-p", str(plant.broker_port)], check=True)
        wait_for(lambda: plant.value("pump", "speed-set-point") == "1450", "the wish is met")
        asked = [line[1:] for line in commands if line[:2] in (["twinhub", "get"], ["twinhub", "set"])]
        for words in (words for words in asked if "--cloud" not in words):
            done = plant.twinhub(*words)
            assert done.returncode == 0, done.stderr
        assert done.stdout == "900\n"


def test_the_readme_walks_into_the_cloud(plant: Plant, tmp_path: Path) -> None:
    """Its lines with `--cloud`, in their order, with the hub where it says so; the cloud's ports are free ones."""
    for file in plant.folder.glob("*.yaml"):
        file.unlink()
    (plant.folder / "twinhub.yaml").write_text(f"broker: {{port: {plant.broker_port}}}\n")
    (plant.folder / "pump.yaml").write_text(blocks("yaml")[0].replace("15020", str(plant.plc_port)))
    lines = [line[1:] for block in blocks("console") for line in typed(block) if "--cloud" in line]
    cloud = make_cloud(tmp_path)
    token, joined = ("token", "press-shop"), ("join", "--node", "press-shop", "--token-file", "token.txt")
    assert lines[0][:2] == list(token)
    assert set(lines[1]) >= set(joined)
    with plant.plc(), cloud.running():
        identity = cloud.join("press-shop")
        with plant.hub(f"--identity={identity}"):
            wait_for(lambda: cloud.value("pump", "speed-set-point"), "the cloud knows the pump")
            for words in lines[2:]:
                asked = [word for word in words if word not in ("--cloud", "localhost")]
                done = cloud.twinhub(*asked)
                assert done.returncode == 0, done.stderr
            assert cloud.value("pump", "speed-set-point") == "1450"


def test_the_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make (\w+)", README, re.MULTILINE)
    assert set(targets) == {"demo", "test"}
    assert all(f"\n{target}:" in makefile for target in targets)
