// From a damage report to the parts that fit.
"use strict";
const { print, run, within } = require("./hexar");

const REQUEST = {
  vehicle: { text: "Vauxhall Astra 2006 1.6" },
  components: [{ name: "front bumper", severity: "SEVERITY_SEVERE" }, { name: "bonnet" }],
};

run(({ PartsService }) => print(PartsService.Discover(REQUEST, within(60))));
