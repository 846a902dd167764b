import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileUnit } from './systemd.ts';

const unit = { name: 'wherry', description: 'Wherry', command: ['/opt/wherry/wherry', 'server'], environment: {} };

test('a unit kills only the main process, so that containers live on', () => {
  assert.match(compileUnit(unit), /^KillMode=process$/m);
  assert.match(compileUnit(unit), /^ExecStart=\/opt\/wherry\/wherry server$/m);
});

test('words with blanks, quotes and expansions reach the program as they are', () => {
  const text = compileUnit({ ...unit, command: ['/bin/x', 'a b', '100%', '$HOME', 'say "hi"'] });
  assert.match(text, /^ExecStart=\/bin\/x "a b" 100%% "\$\$HOME" "say \\"hi\\""$/m);
});
