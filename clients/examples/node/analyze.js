// Bring a sales table, then ask it a question.
"use strict";
const { answer, print, run, within } = require("./hexar");

const TABLE = "date,brand,revenue\n2024-01-15,Tindra,120.50\n2024-02-15,Korva,90\n2024-03-15,Tindra,60\n";

run(async ({ MarketService }) => {
  await answer((done) => {
    const call = MarketService.UploadTable(within(60), done);
    call.write({ options: { name: "example", replace: true } });
    call.write({ file_name: "example.csv" });
    call.write({ chunk: Buffer.from(TABLE) });
    call.end();
  });
  await print(MarketService.Analyze({ table: "example", question: "Which brand sold most in 2024?" }, within(120)));
});
