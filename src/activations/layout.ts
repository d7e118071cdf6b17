import { describe, expectInteger } from '../errors.js';

/** Where the channel axis of a tensor is: PyTorch's [batch][channel][…] or [batch][…][channel]. */
export type Layout = 'channelsFirst' | 'channelsLast';
export const LAYOUTS: readonly Layout[] = ['channelsFirst', 'channelsLast'];

/**
 * How many neighbours in memory share a channel.
 * @throws {TypeError|RangeError} if the shape is needed and missing, or does not fit the length and the channels.
 */
export function innerSize(
  channels: number,
  layout: Layout,
  length: number,
  shape: readonly number[] | undefined,
): number {
  if (shape === undefined) {
    if (channels > 1 && layout === 'channelsFirst') {
      throw new TypeError(`an activation with ${channels} channels first needs options.shape to find the channel axis`);
    }
    if (length % channels !== 0)
      throw new RangeError(`x must hold a multiple of ${channels} (channels last), got ${length}`);
    return 1;
  }
  if (!Array.isArray(shape)) throw new TypeError(`shape must be an array of integers, got ${describe(shape)}`);
  shape.forEach((size, axis) => {
    expectInteger(`shape[${axis}]`, size, 0, 2 ** 53);
  });
  const size = shape.reduce((product, each) => product * each, 1);
  if (size !== length) throw new RangeError(`shape [${shape.join(', ')}] holds ${size} elements, x has ${length}`);
  if (channels === 1) return 1;
  const axis = layout === 'channelsFirst' ? Math.min(1, shape.length - 1) : shape.length - 1;
  if (shape[axis] !== channels) {
    throw new RangeError(`axis ${axis} of shape [${shape.join(', ')}] must be the ${channels} channels (${layout})`);
  }
  return shape.slice(axis + 1).reduce((product, each) => product * each, 1);
}
