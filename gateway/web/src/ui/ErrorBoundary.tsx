// Catches a fault of the page itself, so that it says so instead of going blank.
import { Component, type ComponentChildren } from 'preact';
import { msg } from '../i18n/i18n';
import { Empty } from './states';

interface Props {
  children: ComponentChildren;
}

export class ErrorBoundary extends Component<Props, { broken: boolean }> {
  override state = { broken: false };

  override componentDidCatch(error: unknown): void {
    console.error(error);
    this.setState({ broken: true });
  }

  override render() {
    if (!this.state.broken) return this.props.children;
    return (
      <main class="lone">
        <Empty title={msg.value.unexpected}>
          <button type="button" class="button" onClick={() => location.reload()}>{msg.value.reload}</button>
        </Empty>
      </main>
    );
  }
}
