// What does not parse of scripts for PowerShell.
//   node powershell.js MODULES_OF_THE_PARSER MODULES_OF_THE_GRAMMAR FILE…      one line for each error, and the exit code 1 where there is one
const fs = require('fs');
const { createRequire } = require('module');
const path = require('path');
const [parserModules, grammarModules, ...files] = process.argv.slice(2);
const { Parser, Language } = createRequire(path.join(parserModules, 'here.js'))('web-tree-sitter');

function* wrong(node) {
  if (node.isError || node.isMissing) yield node;
  for (const child of node.children) yield* wrong(child);
}

async function main() {
  await Parser.init();
  const parser = new Parser();
  parser.setLanguage(await Language.load(path.join(grammarModules, 'tree-sitter-powershell', 'tree-sitter-powershell.wasm')));
  let found = 0;
  for (const file of files) {
    for (const node of wrong(parser.parse(fs.readFileSync(file, 'utf8')).rootNode)) {
      console.log(`${path.basename(file)}:${node.startPosition.row + 1}: ${node.text.slice(0, 60)}`);
      found++;
    }
  }
  process.exit(found ? 1 : 0);
}
main();
