// A device with MQTT.js: it hears itself, with MQTT 5's properties.
//
//     mqttjs.cjs MQTTS CA CERTIFICATE KEY
const { readFileSync } = require("fs");
const [url, ca, cert, key] = process.argv.slice(2);
const files = { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) };
const fail = (why) => {
  console.error(String(why));
  process.exit(1);
};
const client = require("mqtt").connect(url, { ...files, clientId: "valve", protocolVersion: 5, reconnectPeriod: 0 });
client.on("error", fail);
client.on("message", (topic, payload, packet) => {
  const right = topic === "dt/valve" && payload.toString() === "hello" && packet.properties.userProperties.site === "PHX3";
  if (!right) fail(JSON.stringify(packet));
  client.end(false, () => process.exit(0));
});
client.on("connect", () =>
  client.subscribe("dt/valve", { qos: 1 }, (refused) => {
    if (refused) fail(refused);
    client.publish("dt/valve", "hello", { qos: 1, properties: { userProperties: { site: "PHX3" } } });
  }),
);
setTimeout(() => fail("nothing was heard"), 60000);
