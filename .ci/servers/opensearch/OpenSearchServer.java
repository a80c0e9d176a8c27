import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;

/**
 * One OpenSearch node, for tests, from the artefacts of the server: its distribution (a tarball with modules in
 * folders) is in no package registry. The one module that we need, HTTP, is loaded from the class path: see Modules.
 *
 * <p>The constructor that takes class path plugins is protected, so that only a subclass can call it.
 */
public final class OpenSearchServer extends Node {
    private OpenSearchServer(Environment environment) {
        super(environment, Modules.ALL, false);
    }

    /** The only argument: a file of settings, one "name: value" a line, as in opensearch.yml. */
    public static void main(String[] args) throws Exception {
        Path file = Path.of(args[0]);
        Settings settings = Settings.builder().loadFromPath(file).build();
        Files.createDirectories(Path.of(settings.get("path.home")));
        Environment environment =
                InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "o365-tests");
        Node node = new OpenSearchServer(environment);
        CountDownLatch stopped = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception error) {
                error.printStackTrace();
            } finally {
                stopped.countDown();
            }
        }));
        try {
            node.start();
        } catch (Throwable error) {
            // The threads of the node would keep a node alive that has not started.
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
        stopped.await();
    }
}
