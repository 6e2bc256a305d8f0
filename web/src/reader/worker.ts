// The reader's own thread: keys and ciphertext stay here; what is opened goes to the page that asked.
import { Refused } from './bytes';
import { openPiece, type OpeningAnswer, type Piece, type Transport } from './opening';
import { readAudio, readPeaks, readWords, SEGMENT_MS, type Word } from './payload';

export interface OpenedItem {
  kind: string;
  stream: number;
  first: number;
  last: number;
  state: 'given' | 'erased' | 'unheard' | 'refused' | 'damaged';
  samples?: Int16Array<ArrayBuffer>;
  digits?: string;
  peaks?: Uint8Array<ArrayBuffer>;
  words?: Word[];
}
export interface WorkerAsk {
  id: number;
  piece: Piece;
  pair: CryptoKeyPair; // of the page
}
export type WorkerReply =
  | { id: number; items: OpenedItem[] }
  | { id: number; status: number; why: string };

class HttpProblem extends Error {
  constructor(
    readonly status: number,
    why: string,
  ) {
    super(why);
  }
}

async function good(request: Promise<Response>): Promise<Response> {
  let response: Response;
  try {
    response = await request;
  } catch {
    throw new HttpProblem(0, '');
  }
  if (response.ok) return response;
  const body = (await response.json().catch(() => ({}))) as { title?: string; detail?: string };
  throw new HttpProblem(response.status, body.detail || body.title || '');
}

const transport: Transport = {
  async open(piece, readerKey) {
    const body = {
      kinds: piece.kinds,
      start_ms: piece.startMs,
      end_ms: piece.endMs,
      reader_key: readerKey,
      purpose: piece.purpose,
      reason: piece.reason,
    };
    const response = await good(
      fetch(`/v1/calls/${piece.call}/openings`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-Callward': '1' },
        body: JSON.stringify(body),
      }),
    );
    return (await response.json()) as OpeningAnswer;
  },
  async records(call, kind, stream, first, end) {
    const query = new URLSearchParams({ kind, stream: String(stream), first: String(first), end: String(end) });
    const response = await good(fetch(`/v1/calls/${call}/records?${query}`));
    return new Uint8Array(await response.arrayBuffer());
  },
};

async function open(piece: Piece, pair: CryptoKeyPair): Promise<OpenedItem[]> {
  return (await openPiece(transport, piece, pair)).map(({ header, state, plain }) => {
    const item: OpenedItem = { kind: header.kind, stream: header.stream, first: header.first, last: header.last, state };
    if (plain === null) return item;
    try {
      if (header.kind === 'audio') {
        const segment = readAudio(plain, header.codec);
        item.samples = segment.samples;
        item.digits = segment.digits.map((digit) => digit.digit).join('');
      } else if (header.kind === 'peaks') item.peaks = readPeaks(plain);
      else if (header.kind === 'words') item.words = readWords(plain, header.first * SEGMENT_MS);
    } catch {
      item.state = 'damaged';
    }
    plain.fill(0);
    return item;
  });
}

self.addEventListener('message', (event: MessageEvent<WorkerAsk>) => {
  const { id, piece, pair } = event.data;
  void open(piece, pair).then(
    (items) => {
      const moved = items.flatMap((item) => [item.samples?.buffer, item.peaks?.buffer].filter((b) => b !== undefined));
      self.postMessage({ id, items } satisfies WorkerReply, { transfer: moved });
    },
    (error: unknown) => {
      const status = error instanceof HttpProblem ? error.status : -1;
      const why = error instanceof HttpProblem || error instanceof Refused ? error.message : 'the reader failed';
      self.postMessage({ id, status, why } satisfies WorkerReply);
    },
  );
});
