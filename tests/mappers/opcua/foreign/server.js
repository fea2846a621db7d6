// A small OPC-UA server: `node server.js PORT FOLDER`. Says "ready" when it is. Its counters rise ten times a second.
"use strict";
const path = require("node:path");
const {
  DataType, DataValue, MessageSecurityMode, OPCUACertificateManager, OPCUAServer, SecurityPolicy, StatusCodes, Variant,
  VariantArrayType, coerceLocalizedText, nodesets,
  standardUnits,
} = require("node-opcua");

const [port, folder] = process.argv.slice(2);

async function main() {
  const manager = new OPCUACertificateManager({ automaticallyAcceptUnknownCertificate: true, rootFolder: folder });
  await manager.initialize();
  const server = new OPCUAServer({
    port: Number(port),
    host: "127.0.0.1",
    hostname: "localhost",
    nodeset_filename: [nodesets.standard, path.join(__dirname, "limits.xml")],
    resourcePath: "/plant",
    serverCertificateManager: manager,
    userCertificateManager: manager,
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes128_Sha256_RsaOaep],
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
    allowAnonymous: true,
    defaultSecureTokenLifetime: 2000,
    userManager: { isValidUser: (user, password) => user === "operator" && password === "pump" },
    serverCapabilities: { operationLimits: { maxMonitoredItemsPerCall: 7, maxNodesPerRead: 20 } },
  });
  await server.initialize();
  build(server.engine.addressSpace);
  await server.start();
  console.log("ready");
  process.on("SIGTERM", () => process.exit(0));
}

function build(space) {
  const own = space.getOwnNamespace();
  const pump = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "Pump", nodeId: "s=Pump" });
  const add = (browseName, dataType, value, more = {}) =>
    own.addVariable({
      componentOf: pump, browseName, nodeId: `s=Pump.${browseName}`, dataType,
      value: { dataType, value }, minimumSamplingInterval: 50, ...more,
    });
  own.addAnalogDataItem({
    componentOf: pump, browseName: "Flow", nodeId: "s=Pump.Flow", dataType: "Double",
    engineeringUnitsRange: { low: 0, high: 50 }, engineeringUnits: standardUnits.degree_celsius,
    value: { dataType: DataType.Double, value: 12.5 }, minimumSamplingInterval: 50,
  });
  add("Speed", DataType.UInt16, 1200);
  add("Name", DataType.String, "P-1");
  add("Fixed", DataType.Int32, 7, { accessLevel: "CurrentRead", userAccessLevel: "CurrentRead" });
  add("Curve", DataType.Float, new Float32Array([1, 2.5]), {
    valueRank: 1, value: { dataType: DataType.Float, arrayType: VariantArrayType.Array, value: new Float32Array([1, 2.5]) },
  });
  const doubtful = add("Level", DataType.Double, 3);
  doubtful.setValueFromSource({ dataType: DataType.Double, value: 3 }, StatusCodes.UncertainLastUsableValue);
  const broken = add("Broken", DataType.Double, 0);
  broken.setValueFromSource({ dataType: DataType.Double, value: 0 }, StatusCodes.BadSensorFailure);
  addStructure(space, own, pump);
  addMethod(own, pump);
  for (let i = 0; i < 20; i++) addCounter(add, i);
}

function addStructure(space, own, pump) {
  const type = space.findDataType("Limits", space.getNamespaceIndex("urn:foreign:limits"));
  const value = space.constructExtensionObject(type, { low: 1.5, names: ["a", "b"] });
  own.addVariable({
    componentOf: pump, browseName: "Limits", nodeId: "s=Pump.Limits", dataType: type.nodeId,
    value: { dataType: DataType.ExtensionObject, value }, minimumSamplingInterval: 50,
  });
}

function addMethod(own, pump) {
  const method = own.addMethod(pump, {
    browseName: "Prime", nodeId: "s=Pump.Prime",
    inputArguments: [{ name: "Seconds", dataType: DataType.Double, description: coerceLocalizedText("s") }],
    outputArguments: [{ name: "Litres", dataType: DataType.Double, description: coerceLocalizedText("l") }],
  });
  method.bindMethod((inputs, context, done) =>
    done(null, {
      statusCode: StatusCodes.Good,
      outputArguments: [new Variant({ dataType: DataType.Double, value: inputs[0].value * 2 })],
    })
  );
}

function addCounter(add, number) {
  const counter = add(`Counter${number}`, DataType.Double, 0);
  let count = 0;
  setInterval(() => counter.setValueFromSource({ dataType: DataType.Double, value: ++count }), 100);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
