from pathlib import Path

from live_plant import Plant

from twinhub.manifests import read_manifests


def test_the_example_is_complete(plant: Plant) -> None:
    manifests = read_manifests(plant.folder)
    assert manifests.problems == ()
    assert sorted(device.id for device in manifests.devices) == ["default/boiler", "default/pump", "default/tank"]


def test_everything_wrong_in_a_folder_is_told_at_once_with_its_place(plant: Plant) -> None:
    plant.edit("boiler.yaml", "order: ABCD", "order: ABDC")  # the mapper finds this
    plant.edit("pump.yaml", "kind: Device\n", "kind: Devise\n")  # the reader finds this
    plant.edit("twinhub.yaml", "node:", "nodes:")
    manifests = read_manifests(plant.folder)
    wrong = {Path(problem.file).name: problem for problem in manifests.errors}
    assert sorted(wrong) == ["boiler.yaml", "pump.yaml", "twinhub.yaml"]
    line = (plant.folder / "boiler.yaml").read_text().splitlines()[wrong["boiler.yaml"].line - 1]
    assert "order: ABDC" in line
    assert "flow-temperature" in wrong["boiler.yaml"].path
    assert [device.id for device in manifests.devices] == ["default/tank"]


def test_a_template_points_to_the_row_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "meters.yaml").write_text(METERS)
    (tmp_path / "meters.csv").write_text("name,unit\nmeter-1,1\nmeter-2,999\n")
    (error,) = read_manifests(tmp_path).errors
    assert (Path(error.file).name, error.line) == ("meters.csv", 3)


def test_what_a_mapper_finds_in_a_model_is_told_at_the_model(tmp_path: Path) -> None:
    (tmp_path / "scales.yaml").write_text(SCALES)
    errors = read_manifests(tmp_path).errors
    assert [(error.line, error.path, error.message[:26]) for error in errors] == [
        (8, "device default/scales-1, property weight: visitors.configData", "'(' is no regular expressi"),
        (23, "device default/scales-2, property weight: visitors.configData", "'[' is no regular expressi"),
    ]


def test_what_is_not_there_is_said_so(tmp_path: Path) -> None:
    (error,) = read_manifests(tmp_path / "nowhere").errors
    assert "nowhere" in error.file


METERS = """
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: meter}
spec: {properties: [{name: energy, type: INT, accessMode: ReadOnly}]}
---
apiVersion: twinhub.io/v1alpha1
kind: DeviceTemplate
metadata: {name: meters}
spec:
  instancesFrom: meters.csv
  template:
    metadata: {name: "{name}"}
    spec:
      deviceModelRef: {name: meter}
      protocol: {protocolName: modbus, configData: {ip: 10.0.0.1, unit: "{unit}"}}
      properties: [{name: energy, visitors: {configData: {register: InputRegister, offset: 0}}}]
"""

SCALES = """\
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: scales}
spec:
  properties:
    - name: weight
      type: DOUBLE
      visitors: {configData: {regex: "("}}
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: scales-1}
spec:
  deviceModelRef: {name: scales}
  protocol: {protocolName: serial, configData: {serialPort: /dev/ttyUSB0}}
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: scales-2}
spec:
  deviceModelRef: {name: scales}
  protocol: {protocolName: serial, configData: {serialPort: /dev/ttyUSB1}}
  properties: [{name: weight, visitors: {configData: {regex: "["}}}]
"""
