// Ask about the documents of a portfolio (see upload.js): tokens as they are written, each claim with its citation.
"use strict";
const { print, run, within } = require("./hexar");

const REQUEST = { portfolio_id: "manuals", message: "How long is the warranty of the Atlas 40?" };

run(({ ChatService }) => print(ChatService.Chat(REQUEST, within(60))));
