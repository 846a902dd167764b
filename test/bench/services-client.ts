/** Makes TCP connections one after the other, eight at a time, and tells how many it made a second. */
import { connect } from 'node:net';
import { serveCalls } from '../component/services/rpc.ts';

const atOnce = 8;

await serveCalls({
  async rate({ address, port, count }: { readonly address: string; readonly port: number; readonly count: number }) {
    let left = count;
    const began = performance.now();
    const one = async () => {
      while (left-- > 0) await connection(address, port);
    };
    await Promise.all(Array.from({ length: atOnce }, one));
    return (count / (performance.now() - began)) * 1000;
  },
});
process.exit(0);

function connection(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    socket.on('data', () => {});
    socket.on('error', reject);
    // Reset, so that ports don't run out while closed connections wait.
    socket.on('end', () => {
      socket.resetAndDestroy();
      resolve();
    });
  });
}
