// Upload a document: its portfolio, its header, then its bytes in pieces.
"use strict";
const { answer, run, within } = require("./hexar");

const TEXT = "# Atlas 40\n\nThe warranty of the Atlas 40 is three years from the day of purchase.\n";

run(async ({ PortfolioService }) => {
  const response = await answer((done) => {
    const call = PortfolioService.UpsertDocuments(within(60), done);
    call.write({ target: { portfolio_id: "manuals", create: true } });
    call.write({ document: { document_id: "atlas.md", media_type: "text/markdown" } });
    call.write({ data: Buffer.from(TEXT) });
    call.end();
  });
  console.log(JSON.stringify(response));
});
