import type { HostBackend } from './backend.js';
import { expectImages, expectKernel, expectMoments, expectTables, expectTensors } from './check.js';

const known = new WeakMap<HostBackend, HostBackend>();

/** A backend for callers, whose mistakes are told; what this package itself hands over needs no second look. One for each backend. */
export function checked(backend: HostBackend): HostBackend {
  let found = known.get(backend);
  if (!found) {
    found = {
      name: backend.name,
      device: backend.device,
      exact: backend.exact,
      failures: backend.failures,
      isSynchronous: true,
      maxLength: backend.maxLength,
      allocate: (length) => backend.allocate(length),
      upload: (values) => backend.upload(values),
      download: (tensor, into) => backend.download(tensor, into),
      free: (tensor) => backend.free(tensor),
      dispose: () => backend.dispose(),
      release: (images) => {
        expectImages(images);
        backend.release(images);
      },
      run: (kernel, tables, x, y) => {
        expectKernel(kernel);
        expectTables(tables);
        expectTensors({ x, y });
        backend.run(kernel, tables, x, y);
      },
      backward: (tables, x, gradY, gradX, moments) => {
        expectTables(tables);
        expectTensors({ x, y: gradX, gradY });
        expectMoments(moments, tables.images);
        backend.backward(tables, x, gradY, gradX, moments);
      },
    };
    known.set(backend, found);
  }
  return found;
}
