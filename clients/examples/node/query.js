// Ask for products: an upsert sets one, a move its rank, a retract removes it.
"use strict";
const { print, run, within } = require("./hexar");

run(({ QueryService }) => print(QueryService.Query({ text: "beginner snowboard under $400", limit: 5 }, within(30))));
