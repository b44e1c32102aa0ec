// The services of a Hexar server for Node, from the .proto files or by reflection.
"use strict";

const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

// Names as in the contract, 64-bit numbers as text (a double cannot hold them), and nothing that the server did not send.
const OPTIONS = { keepCase: true, longs: String, enums: String, bytes: String, oneofs: true };
const PROTO = process.env.HEXAR_PROTO || path.join(__dirname, "../../../proto");
const FILES = ["query", "chat", "portfolio", "parts", "market", "legal", "ops"].map((name) => `hexar/v1/${name}.proto`);

/** The definitions of all services, from the .proto files. */
async function fromFiles() {
  return loader.load(FILES, { ...OPTIONS, includeDirs: [PROTO] });
}

/**
 * The same, as the server itself tells them; no file of the contract is needed. proto-loader shows maps of descriptors as
 * lists of {key, value}.
 */
async function byReflection(address) {
  const own = loader.loadSync(path.join(__dirname, "reflection.proto"), OPTIONS);
  const { ServerReflection } = grpc.loadPackageDefinition(own).grpc.reflection.v1;
  const client = new ServerReflection(address, grpc.credentials.createInsecure());
  const call = client.ServerReflectionInfo();
  const files = new Map();
  const ask = (request) =>
    new Promise((resolve, reject) => {
      call.once("data", resolve).once("error", reject);
      call.write(request);
    });
  // A service's file comes with the files that it imports, some of them more than once.
  const { list_services_response: listed } = await ask({ list_services: "" });
  for (const { name } of listed.service.filter(({ name }) => name.startsWith("hexar."))) {
    const answer = await ask({ file_containing_symbol: name });
    for (const file of answer.file_descriptor_response.file_descriptor_proto) files.set(file, Buffer.from(file, "base64"));
  }
  call.end();
  client.close();
  return loader.loadFileDescriptorSetFromBuffer(descriptorSet([...files.values()]), OPTIONS);
}

/** A FileDescriptorSet of serialized files: field 1, length-delimited, once a file. */
function descriptorSet(files) {
  const pieces = [];
  for (const file of files) {
    const head = [0x0a];
    let size = file.length;
    for (; size > 0x7f; size >>>= 7) head.push((size & 0x7f) | 0x80);
    pieces.push(Buffer.from([...head, size]), file);
  }
  return Buffer.concat(pieces);
}

/** A client for each service of the contract: `services.QueryService.Query(request)`. */
async function connect(address, { reflection = false } = {}) {
  const definition = await (reflection ? byReflection(address) : fromFiles());
  const { v1 } = grpc.loadPackageDefinition(definition).hexar;
  const services = {};
  for (const [name, Service] of Object.entries(v1)) {
    if (typeof Service === "function") services[name] = new Service(address, grpc.credentials.createInsecure());
  }
  return services;
}

/** When a call is over, as gRPC wants it. */
function within(seconds) {
  return { deadline: Date.now() + 1000 * seconds };
}

/** Print each event of a stream as a line of JSON; bytes are base64. */
async function print(stream) {
  for await (const event of stream) console.log(JSON.stringify(event));
}

/** The response of a call that has one; `send` starts it with the callback that it is given. */
function answer(send) {
  return new Promise((resolve, reject) => send((error, response) => (error ? reject(error) : resolve(response))));
}

/** Run an example: `node NAME.js [--reflection] [HOST:PORT]`. */
function run(example) {
  const words = process.argv.slice(2);
  const address = words.find((word) => !word.startsWith("--")) || "localhost:50051";
  connect(address, { reflection: words.includes("--reflection") })
    .then(async (services) => {
      await example(services);
      for (const service of Object.values(services)) service.close();
    })
    .catch((error) => {
      console.error(`${grpc.status[error.code] || "error"}: ${error.details || error.message}`);
      process.exit(1);
    });
}

module.exports = { answer, connect, print, run, within };
