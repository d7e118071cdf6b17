/** Runs the suite in this process and prints the report as one line of JSON: for Node and Deno. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { runSuite } from './suite.js';

const [file, elements] = process.argv.slice(2);
const report = await runSuite(JSON.parse(readFileSync(file!, 'utf8')), Number(elements)).catch((error: Error) => ({
  error: `${error.name}: ${error.message}`,
}));
console.log(JSON.stringify(report));
process.exit();
