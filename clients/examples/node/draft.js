// Draft a document: its sections as they form, what was checked, what is cited.
"use strict";
const { print, run, within } = require("./hexar");

const REQUEST = {
  document_type: "nda",
  jurisdiction: "US-CA",
  request: "Mutual NDA between Acme Robotics Inc. and Beta Labs LLC, effective 1 May 2026.",
};

run(({ LegalService }) => print(LegalService.Draft(REQUEST, within(120))));
