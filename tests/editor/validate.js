// Validates one JSON text per line of standard input against the schema in argv[2], and answers each with the errors.
const Ajv = require(require.resolve("ajv", { paths: [process.cwd()] }));
const { readFileSync } = require("fs");
const { createInterface } = require("readline");

const schema = JSON.parse(readFileSync(process.argv[2], "utf8"));
const keywords = ["patternErrorMessage"]; // yaml-language-server's own
const options = { allErrors: true, strict: true, allowUnionTypes: true, allowMatchingProperties: true };
const validate = new Ajv({ ...options, strictRequired: false, strictTypes: false, keywords }).compile(schema);
createInterface({ input: process.stdin }).on("line", (line) => {
  const accepted = validate(JSON.parse(line));
  console.log(JSON.stringify(accepted ? [] : validate.errors.map((one) => `${one.instancePath} ${one.message}`)));
});
