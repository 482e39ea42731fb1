// Draws a line with uPlot, which is loaded with this file when a chart is shown. It knows points by their index, and
// nothing of the page: colours, texts and what happens at a point are given.
import uPlot from 'uplot';

export interface PlotOptions {
  width: number;
  height: number;
  solid: (number | null)[];
  dashed: (number | null)[];
  /** The points that get a ring. */
  rings: readonly number[];
  colours: Readonly<Record<'line' | 'area' | 'ground' | 'grid' | 'text', string>>;
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

export function drawPlot(frame: HTMLElement, options: PlotOptions): Plot {
  const { width, height, solid, dashed, colours, font } = options;
  const count = solid.length;
  const indexes = Array.from({ length: count }, (_, i) => i);
  const every = Math.max(1, Math.ceil(count / Math.max(2, Math.floor((width - 64) / LABEL_WIDTH))));
  const line = { stroke: colours.line, width: 1.75, spanGaps: false };
  const alone = indexes.filter((i) => solid[i] !== null && (solid[i - 1] ?? null) === null && (solid[i + 1] ?? null) === null && dashed[i] === null);

  let placed = false;
  let wanted: number | null = null;
  const point = () => chart.setCursor(wanted === null ? { left: -10, top: -10 } : { left: chart.valToPos(wanted, 'x'), top: 0 }, false);

  const chart = new uPlot({
    width,
    height,
    padding: [10, 24, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false, setScale: false }, points: { size: 9, width: 2, stroke: colours.ground, fill: colours.line } },
    scales: {
      x: { time: false, range: () => (count > 1 ? [0, count - 1] : [-1, 1]) },
      y: { range: (_, min, max) => (min === null ? [0, 1] : uPlot.rangeNum(Math.min(0, min), max <= 0 && min === 0 ? 1 : Math.max(0, max), { min: { pad: 0, soft: 0, mode: 1 }, max: { pad: 0.08, soft: 0, mode: 1 } })) },
    },
    series: [
      {},
      { ...line, fill: colours.area, points: { show: true, size: 6, fill: colours.line, filter: () => alone } },
      { ...line, dash: [3, 4], points: { show: true, size: 8, width: 1.75, stroke: colours.line, fill: colours.ground, filter: () => [...options.rings] } },
    ],
    axes: [
      {
        stroke: colours.text, font, size: 28, gap: 8, grid: { show: false }, ticks: { show: false },
        splits: () => indexes.filter((i) => (count - 1 - i) % every === 0),
        values: (_, splits) => splits.map(options.nameOfPoint),
      },
      {
        stroke: colours.text, font, gap: 8, space: 44, grid: { stroke: colours.grid, width: 1 }, ticks: { show: false },
        values: (_, splits) => splits.map(options.nameOfValue),
        size: (_, values) => 16 + 7 * Math.max(2, ...(values ?? []).map((text) => text.length)),
      },
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
  }, [indexes, solid, dashed], frame);

  return {
    pointAt: (index) => {
      wanted = index;
      if (placed) point();
    },
    destroy: () => chart.destroy(),
  };
}
