// One glance at the server.
"use strict";
const { answer, run, within } = require("./hexar");

run(async ({ OpsService }) => {
  console.log(JSON.stringify(await answer((done) => OpsService.GetStatus({}, within(10), done))));
});
