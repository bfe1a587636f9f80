/** Loudness and spectrum of one side of a call, read from the sound itself. */

/** Quieter than this draws nothing; at `LOUD_DB` a bar is full. Speech at a laptop is around -30 dB. */
const QUIET_DB = -50;
const LOUD_DB = -4;
const CONTRAST = 1.4;
/** Above this a person is taken to be speaking. */
const SPEECH = 0.09;

export class LevelMeter {
  private readonly analyser: AnalyserNode;
  private readonly source: MediaStreamAudioSourceNode;
  private readonly samples: Float32Array<ArrayBuffer>;
  private readonly bins: Uint8Array<ArrayBuffer>;

  constructor(context: AudioContext, track: MediaStreamTrack) {
    this.analyser = context.createAnalyser();
    this.analyser.fftSize = 1024;
    this.analyser.smoothingTimeConstant = 0.55;
    this.analyser.minDecibels = -85;
    this.analyser.maxDecibels = -20;
    this.samples = new Float32Array(this.analyser.fftSize);
    this.bins = new Uint8Array(this.analyser.frequencyBinCount);
    this.source = context.createMediaStreamSource(new MediaStream([track]));
    this.source.connect(this.analyser);
  }

  /** Loudness this instant, 0 to 1. */
  level(): number {
    this.analyser.getFloatTimeDomainData(this.samples);
    return loudness(this.samples);
  }

  /** Fills `bands` with the strength, 0 to 1, of the frequencies that carry a voice, low to high. */
  spectrum(bands: Float32Array): void {
    this.analyser.getByteFrequencyData(this.bins);
    const hertzPerBin = this.analyser.context.sampleRate / this.analyser.fftSize;
    for (let band = 0; band < bands.length; band++) {
      const low = 90 * (5000 / 90) ** (band / bands.length);
      const high = 90 * (5000 / 90) ** ((band + 1) / bands.length);
      const first = Math.floor(low / hertzPerBin);
      const last = Math.max(first, Math.floor(high / hertzPerBin));
      let strongest = 0;
      for (let bin = first; bin <= last; bin++) strongest = Math.max(strongest, this.bins[bin] ?? 0);
      bands[band] = strongest / 255;
    }
  }

  close(): void {
    this.source.disconnect();
  }
}

/** Root mean square on a scale that looks even to the eye. */
export function loudness(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const decibels = 10 * Math.log10(sum / samples.length + 1e-12);
  return Math.min(1, Math.max(0, (decibels - QUIET_DB) / (LOUD_DB - QUIET_DB))) ** CONTRAST;
}

export function isSpeech(level: number): boolean {
  return level > SPEECH;
}
