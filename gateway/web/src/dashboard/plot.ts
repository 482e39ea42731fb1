// Draws one line or two with uPlot, which is loaded with this file when a chart is shown. It knows points by their index,
// and nothing of the page: colours, texts and what happens at a point are given.
import uPlot from 'uplot';

export interface PlotLine {
  solid: (number | null)[];
  dashed: (number | null)[];
  /** The points that get a ring. */
  rings: readonly number[];
  colour: string;
  /** Fills what is below the line. */
  area: string | null;
}

export interface PlotOptions {
  width: number;
  height: number;
  /** The scale of the first is on the left, that of a second one on the right. */
  lines: readonly PlotLine[];
  colours: Readonly<Record<'ground' | 'grid' | 'text', string>>;
  font: string;
  nameOfPoint: (index: number) => string;
  nameOfValue: (value: number) => string;
  /** The pointer has come to a point, or left the plot. */
  onPoint: (index: number | null) => void;
  /** Where the points are, in pixels from the left edge of the drawing. */
  onPlaced: (lefts: number[]) => void;
}

export interface Plot {
  /** Puts the cursor on a point, or takes it away. */
  pointAt: (index: number | null) => void;
  destroy: () => void;
}

const LABEL_WIDTH = 76;
/** Steps of an axis on which there is no half. */
const WHOLE = Array.from({ length: 15 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

export function drawPlot(frame: HTMLElement, options: PlotOptions): Plot {
  const { width, height, lines, colours, font } = options;
  const count = lines[0]?.solid.length ?? 0;
  const indexes = Array.from({ length: count }, (_, i) => i);
  const every = Math.max(1, Math.ceil(count / Math.max(2, Math.floor((width - 64 * lines.length) / LABEL_WIDTH))));

  let placed = false;
  let wanted: number | null = null;
  const point = () => chart.setCursor(wanted === null ? { left: -10, top: -10 } : { left: chart.valToPos(wanted, 'x'), top: 0 }, false);

  const chart = new uPlot({
    width,
    height,
    padding: [10, lines.length > 1 ? 0 : 24, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false, setScale: false }, points: { size: 9, width: 2, stroke: colours.ground } },
    scales: {
      x: { time: false, range: () => (count > 1 ? [0, count - 1] : [-1, 1]) },
      ...Object.fromEntries(lines.map((_, i) => [scaleOf(i), { range: rangeWithZero }])),
    },
    series: [{}, ...lines.flatMap((line, i) => seriesOf(line, i, colours.ground))],
    axes: [
      {
        stroke: colours.text, font, size: 28, gap: 8, grid: { show: false }, ticks: { show: false },
        splits: () => indexes.filter((i) => (count - 1 - i) % every === 0),
        values: (_, splits) => splits.map(options.nameOfPoint),
      },
      ...lines.map((line, i): uPlot.Axis => ({
        scale: scaleOf(i), side: i === 0 ? 3 : 1, stroke: lines.length > 1 ? line.colour : colours.text, font, gap: 8, space: 44,
        grid: i === 0 ? { stroke: colours.grid, width: 1 } : { show: false }, ticks: { show: false },
        values: (_, splits) => splits.map(options.nameOfValue),
        ...(line.solid.concat(line.dashed).every((value) => value === null || Number.isInteger(value)) ? { incrs: WHOLE } : {}),
        size: (_, values) => 16 + 7 * Math.max(2, ...(values ?? []).map((text) => text.length)),
      })),
    ],
    hooks: {
      // Before this there are no positions.
      ready: [(self) => {
        placed = true;
        point();
        options.onPlaced(indexes.map((i) => self.bbox.left / devicePixelRatio + self.valToPos(i, 'x')));
      }],
      setCursor: [(self) => placed && options.onPoint(self.cursor.idx ?? null)],
    },
  }, [indexes, ...lines.flatMap(({ solid, dashed }) => [solid, dashed])], frame);

  return {
    pointAt: (index) => {
      wanted = index;
      if (placed) point();
    },
    destroy: () => chart.destroy(),
  };
}

const scaleOf = (index: number) => `y${index}`;

const rangeWithZero: uPlot.Range.Function = (_, min, max) => {
  // Nothing to draw, or nothing but zeros.
  if (min === null || (min === 0 && max === 0)) return [0, 1];
  const pad = (share: number): uPlot.Range.Limit => ({ pad: share, soft: 0, mode: 1 });
  return uPlot.rangeNum(Math.min(0, min), Math.max(0, max), { min: pad(min < 0 ? 0.08 : 0), max: pad(0.08) });
};

/** The solid part of a line, with a dot where a point has no neighbour, and the dashed part with its rings. */
function seriesOf({ solid, dashed, rings, colour, area }: PlotLine, index: number, ground: string): uPlot.Series[] {
  const common = { scale: scaleOf(index), stroke: colour, width: area === null ? 1.25 : 1.75, spanGaps: false };
  const alone = solid.flatMap((value, i) =>
    (value !== null && dashed[i] === null && (solid[i - 1] ?? null) === null && (solid[i + 1] ?? null) === null ? [i] : []));
  return [
    { ...common, ...(area === null ? {} : { fill: area }), points: { show: true, size: 6, fill: colour, filter: () => alone } },
    { ...common, dash: [3, 4], points: { show: true, size: 8, width: 1.75, stroke: colour, fill: ground, filter: () => [...rings] } },
  ];
}
