// One act at a time of a card: busy meanwhile, then what it said, or why it failed.
export class Act {
  busy = $state('');
  failed = $state('');
  said = $state('');

  async run(name: string, act: () => Promise<string | void>): Promise<boolean> {
    if (this.busy !== '') return false;
    this.busy = name;
    this.failed = this.said = '';
    try {
      this.said = (await act()) ?? '';
      return true;
    } catch (error) {
      this.failed = (error as Error).message;
      return false;
    } finally {
      this.busy = '';
    }
  }
}
