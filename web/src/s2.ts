/**
 * S2 cells of one level, exactly as the server names them: a place gives a cell, a cell gives its corners and token.
 *
 * A cell is (face, i, j): one of the cube's six faces and a column and row of 2^level each.
 * Source: s2geometry.io, "S2 Cells"; the quadratic projection.
 */

export interface Cell {
  readonly level: number;
  readonly face: number;
  readonly i: number;
  readonly j: number;
}

export interface Place {
  readonly lat: number;
  readonly lng: number;
}

/** Degrees; `west > east` when it runs over the date line. */
export interface View {
  readonly west: number;
  readonly south: number;
  readonly east: number;
  readonly north: number;
}

type Xyz = readonly [number, number, number];

const RADIANS = Math.PI / 180;
const LEAF_LEVEL = 30;
const LEAVES = 2 ** LEAF_LEVEL;

/** Where on the Hilbert curve the quarter (2 i + j) of a cell lies, by the curve's orientation. */
const POSITION = [
  [0, 1, 3, 2],
  [0, 3, 1, 2],
  [2, 3, 1, 0],
  [2, 1, 3, 0],
];
/** How the orientation changes in the quarter at each position of the curve. */
const TURN = [1, 0, 0, 3];

export function cellAt(lat: number, lng: number, level: number): Cell {
  const phi = lat * RADIANS;
  const theta = lng * RADIANS;
  return cellOf([Math.cos(phi) * Math.cos(theta), Math.cos(phi) * Math.sin(theta), Math.sin(phi)], level);
}

/** The cell's number, unique within its level: bits of face and curve, then a one. */
export function numberOf({ level, face, i, j }: Cell): number {
  let orientation = face & 1;
  let along = face;
  for (let bit = level - 1; bit >= 0; bit--) {
    const position = POSITION[orientation][(((i >> bit) & 1) << 1) | ((j >> bit) & 1)];
    along = along * 4 + position;
    orientation ^= TURN[position];
  }
  return along * 2 + 1;
}

/** How channels name the cell (`location:cell:TOKEN`). Exact up to level 24. */
export function tokenOf(cell: Cell): string {
  const bits = 2 * cell.level + 4;
  const digits = Math.ceil(bits / 4);
  return (numberOf(cell) * 2 ** (4 * digits - bits)).toString(16).padStart(digits, "0");
}

/** The four corners, counter-clockwise. */
export function cornersOf(cell: Cell): [Place, Place, Place, Place] {
  return [inCell(cell, 0, 0), inCell(cell, 1, 0), inCell(cell, 1, 1), inCell(cell, 0, 1)];
}

/**
 * The cells of a level whose boxes of latitude and longitude meet a view; null when there are more than `most`.
 */
export function cellsIn(view: View, level: number, most: number): Cell[] | null {
  const middleLng = view.west + ((view.east - view.west + 360) % 360) / 2;
  const first = cellAt((view.south + view.north) / 2, middleLng, level);
  const seen = new Set([numberOf(first)]);
  const met = [first];
  for (let at = 0; at < met.length; at++) {
    for (const beside of besides(met[at])) {
      const number = numberOf(beside);
      if (seen.has(number)) continue;
      seen.add(number);
      if (!meets(beside, view, middleLng)) continue;
      met.push(beside);
      if (met.length > most) return null;
    }
  }
  return met;
}

function meets(cell: Cell, view: View, middleLng: number): boolean {
  const half = ((view.east - view.west + 360) % 360) / 2;
  let [south, north, west, east] = [90, -90, 360, -360];
  for (const { lat, lng } of cornersOf(cell)) {
    const away = lng - middleLng - 360 * Math.round((lng - middleLng) / 360);
    south = Math.min(south, lat);
    north = Math.max(north, lat);
    west = Math.min(west, away);
    east = Math.max(east, away);
  }
  return south <= view.north && north >= view.south && west <= half && east >= -half;
}

/** The four cells that share an edge; past the face's edge the middle of the next one is projected onto its own face. */
function besides(cell: Cell): Cell[] {
  return [inCellXyz(cell, -0.5, 0.5), inCellXyz(cell, 1.5, 0.5), inCellXyz(cell, 0.5, -0.5), inCellXyz(cell, 0.5, 1.5)].map(
    (xyz) => cellOf(xyz, cell.level),
  );
}

function inCell(cell: Cell, right: number, up: number): Place {
  const [x, y, z] = inCellXyz(cell, right, up);
  return { lat: Math.atan2(z, Math.hypot(x, y)) / RADIANS, lng: Math.atan2(y, x) / RADIANS };
}

function inCellXyz({ level, face, i, j }: Cell, right: number, up: number): Xyz {
  const cells = 2 ** level;
  return xyzOf(face, uvOf((i + right) / cells), uvOf((j + up) / cells));
}

function cellOf([x, y, z]: Xyz, level: number): Cell {
  const face = faceOf(x, y, z);
  const [u, v] = onFace(face, x, y, z);
  return { level, face, i: indexOf(u, level), j: indexOf(v, level) };
}

function faceOf(x: number, y: number, z: number): number {
  const [ax, ay, az] = [Math.abs(x), Math.abs(y), Math.abs(z)];
  if (ax > ay && ax > az) return x < 0 ? 3 : 0;
  if (ay > az) return y < 0 ? 4 : 1;
  return z < 0 ? 5 : 2;
}

function onFace(face: number, x: number, y: number, z: number): [number, number] {
  switch (face) {
    case 0: return [y / x, z / x];
    case 1: return [-x / y, z / y];
    case 2: return [-x / z, -y / z];
    case 3: return [z / x, y / x];
    case 4: return [z / y, -x / y];
    default: return [-y / z, -x / z];
  }
}

function xyzOf(face: number, u: number, v: number): Xyz {
  switch (face) {
    case 0: return [1, u, v];
    case 1: return [-u, 1, v];
    case 2: return [-u, -v, 1];
    case 3: return [-1, -v, -u];
    case 4: return [v, -1, -u];
    default: return [v, u, -1];
  }
}

function indexOf(u: number, level: number): number {
  const s = u >= 0 ? 0.5 * Math.sqrt(1 + 3 * u) : 1 - 0.5 * Math.sqrt(1 - 3 * u);
  const leaf = Math.min(Math.max(Math.floor(s * LEAVES), 0), LEAVES - 1);
  return Math.floor(leaf / 2 ** (LEAF_LEVEL - level));
}

function uvOf(s: number): number {
  return s >= 0.5 ? (4 * s * s - 1) / 3 : (1 - 4 * (1 - s) * (1 - s)) / 3;
}
