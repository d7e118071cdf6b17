/** The protocol buffers that are read and written by hand, against an independent implementation (@bufbuild/protobuf with onnx-buf's schemas). */
import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { AttributeProtoSchema, NodeProtoSchema, TensorProtoSchema } from 'onnx-buf';
import { expect, test } from 'vitest';
import { nodeMessage, tensorMessage } from '../src/onnx/builder.js';
import { attributesOf, readGraph, readModel, readNode } from '../src/onnx/model.js';
import { BYTES, fieldsOf, integerOf, Message, OnnxError, singleOf, textOf } from '../src/onnx/protobuf.js';
import { digits, model, node, parse, value } from './onnx-models.js';

const asNode = (content: Uint8Array) => readNode({ number: 1, wire: BYTES, raw: content, content });

test('models are read as others read them, and come back byte for byte', () => {
  const inner = { node: [node('Neg', ['x'], ['z'])], output: [value('z', undefined)] };
  const models = [
    digits('dense', 'com.ditac').model,
    digits('convolutional', 'Selu').model,
    model({
      node: [node('If', ['c'], ['y'], { then_branch: { graph: inner }, else_branch: { graph: inner } })],
      input: [value('x', [3, 'n', 0])],
      output: [value('y', undefined)],
      initializer: [{ name: 'w', dims: [2n, 3n], dataType: 7, int64Data: [1n, -1n, 2n ** 40n] }] as never,
    }),
  ];
  for (const bytes of models) {
    const expected = parse(bytes);
    const read = readModel(bytes);
    const graph = readGraph(read.graph);
    expect([...read.opsets]).toEqual(expected.opsetImport.map(({ domain, version }) => [domain, Number(version)]));
    const { node: nodes, input, output, initializer } = expected.graph!;
    expect(graph.nodes.map(({ op, inputs, outputs, name, domain }) => [op, inputs, outputs, name, domain])).toEqual(
      nodes.map((each) => [each.opType, each.input, each.output, each.name, each.domain]),
    );
    expect(graph.nodes.map(({ subgraphs }) => subgraphs.length)).toEqual(
      nodes.map(({ attribute }) => attribute.filter(({ g }) => g !== undefined).length),
    );
    expect([graph.inputs, graph.outputs]).toEqual([input, output].map((values) => values.map(({ name }) => name)));
    expect([...graph.initializers.keys()]).toEqual(initializer.map(({ name }) => name));
    for (const { name, dims, dataType } of initializer)
      expect(graph.types.get(name)).toEqual({ type: dataType, shape: dims.map(Number) });
    const again = new Message();
    for (const field of fieldsOf(bytes)) again.raw(field.raw);
    expect(again.pieces).toHaveLength(1);
    expect(Buffer.compare(again.join(), bytes)).toBe(0);
  }
});

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const float = fc.float({ noNaN: true });

test('attributes of any value are read as they were written elsewhere', () => {
  fc.assert(
    fc.property(
      fc.record({
        f: float,
        i: int64,
        s: fc.string(),
        floats: fc.array(float),
        ints: fc.array(int64),
        isPacked: fc.boolean(),
      }),
      ({ f, i, s, floats, ints }) => {
        const encode = (text: string) => new TextEncoder().encode(text);
        const attribute = [
          { name: 'f', f, type: 1 },
          { name: 'i', i, type: 2 },
          { name: 's', s: encode(s), type: 3 },
          { name: 'floats', floats, type: 6 },
          { name: 'ints', ints, type: 7 },
        ].map((each) => create(AttributeProtoSchema, each));
        const bytes = toBinary(NodeProtoSchema, create(NodeProtoSchema, { opType: 'Any', attribute }));
        const found = attributesOf(asNode(bytes));
        // Proto2 writes what is set, zeros too.
        expect(found).toEqual({
          f,
          i: Number(i),
          s: new TextDecoder().decode(encode(s)),
          floats,
          ints: ints.map(Number),
        });
      },
    ),
    { numRuns: 200 },
  );
});

test('packed and repeated numbers are the same', () => {
  const packed = new Message().text(1, 'ints').bytes(8, Uint8Array.of(1, 0x80, 1, 3));
  const repeated = new Message().text(1, 'ints').integer(8, 1).integer(8, 128).integer(8, 3);
  for (const each of [packed, repeated])
    expect(attributesOf(asNode(new Message().bytes(5, each).join()))).toEqual({ ints: [1, 128, 3] });
});

test('nodes and tensors are what others read', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.array(fc.integer()), int64, (names, ints, wide) => {
      const written = nodeMessage('Op', names, ['y'], { ints, text: 'a', number: 7 }, 'name', 'domain').join();
      const expected = create(NodeProtoSchema, {
        input: names,
        output: ['y'],
        name: 'name',
        opType: 'Op',
        domain: 'domain',
        attribute: [
          create(AttributeProtoSchema, { name: 'ints', ints: ints.map(BigInt), type: 7 }),
          create(AttributeProtoSchema, { name: 'text', s: Uint8Array.of(97), type: 3 }),
          create(AttributeProtoSchema, { name: 'number', i: 7n, type: 2 }),
        ],
      });
      const graph = parse(new Message().bytes(7, new Message().bytes(1, written)).join()).graph!;
      expect(graph.node[0]).toEqual(expected);
      const tensor = tensorMessage(BigInt64Array.of(wide), [1], 't').join();
      const whole = parse(new Message().bytes(7, new Message().bytes(5, tensor)).join()).graph!.initializer[0];
      const data = new Uint8Array(BigInt64Array.of(wide).buffer);
      expect(whole).toEqual(create(TensorProtoSchema, { name: 't', dims: [1n], dataType: 7, rawData: data }));
    }),
    { numRuns: 200 },
  );
});

test('numbers of every size come back', () => {
  fc.assert(
    fc.property(int64, float, fc.integer({ min: 1, max: 2 ** 29 - 1 }), fc.string(), (i, f, number, text) => {
      const bytes = new Message().integer(number, i).single(number, f).text(number, text).join();
      const [a, b, c] = [...fieldsOf(bytes)];
      expect([a!.number, integerOf(a!), singleOf(b!)]).toEqual([number, i, f]);
      expect(textOf(c!)).toBe(new TextDecoder().decode(new TextEncoder().encode(text)));
    }),
  );
});

test.each([
  ['a number that does not end', [0x08, 0x80, 0x80], /does not end/],
  ['a number of eleven bytes', [0x08, ...new Array(10).fill(0x80), 1], /does not end/],
  ['a length beyond the end', [0x0a, 0x05, 1], /needs 4 more bytes/],
  ['an enormous length', [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], /more bytes/],
  ['field 0', [0x00, 0x01], /a field has number 0/],
  ['a group', [0x0b], /wire type 3/],
  ['four bytes that are three', [0x0d, 1, 2, 3], /needs 1 more bytes/],
] as const)('%s is refused', (_, bytes, message) => {
  expect(() => [...fieldsOf(Uint8Array.from(bytes))]).toThrow(OnnxError);
  expect(() => [...fieldsOf(Uint8Array.from(bytes))]).toThrow(message);
});
