// Everything that some tests use and `npm install` does not bring: `npm run bring`. What is missing they skip, and name.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Runtimes, bundlers and test runners that the package is tried in. */
const PACKAGES = [
  ...['deno', 'bun', 'workerd', 'edge-runtime'],
  ...['vite', 'webpack', 'rollup', '@rollup/plugin-node-resolve', 'parcel'],
  ...['jest', '@babel/preset-env'],
];
/** A browser; Vulkan in software, which is WebGPU where there is no GPU; gcc's arithmetic of 113 bits; torch; a queue. Of Debian and its kin. */
const DEBIAN = {
  chromium: '/usr/bin/chromium',
  'mesa-vulkan-drivers': '/usr/share/vulkan/icd.d/lvp_icd.x86_64.json',
  libvulkan1: '/usr/lib/x86_64-linux-gnu/libvulkan.so.1',
  gcc: '/usr/bin/gcc',
  'libc6-dev': '/usr/include/stdio.h',
  'python3-torch': '/usr/lib/python3/dist-packages/torch/__init__.py',
  'redis-server': '/usr/bin/redis-server',
};

const run = (command, ...args) => {
  console.log(`$ ${[command, ...args].join(' ')}`);
  execFileSync(command, args, { stdio: 'inherit', shell: process.platform === 'win32' });
};

// All at once: whoever is not named again is taken away.
run('npm', 'install', '--no-save', '--no-audit', '--no-fund', ...PACKAGES);
const missing = Object.entries(DEBIAN).flatMap(([name, file]) => (existsSync(file) ? [] : [name]));
if (missing.length > 0) {
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...missing];
  if (existsSync('/usr/bin/apt-get') && process.getuid?.() === 0) {
    run('apt-get', 'update');
    run(...install);
  } else console.log(`the rest is the system's: sudo ${install.join(' ')}`);
}
